import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { type FastifyInstance, fastify } from 'fastify'
import { exportRoute } from '../../../src/config-change/http/export.route.ts'
import type { PolicyReader } from '../../../src/config-change/ports.ts'
import { SharedBound } from '../../../src/connections/shared-bound.ts'
import { ENTRIES_PER_PART, LongReads } from '../../../src/http/long-reads.ts'
import { definitionOf } from '../../support/policies.ts'

/** Enough for one export that has begun, and not for two. */
const MAX_HELD_BYTES = 24 * 1024

const record = {
  key: 'user:1',
  version: 1,
  policy: definitionOf(),
  updatedAt: '2026-01-31T14:03:12Z',
  updatedBy: 'ops',
}
const endless = { list: async () => Array(ENTRIES_PER_PART).fill(record) } as unknown as PolicyReader

let app: FastifyInstance
let sockets: Socket[]
beforeEach(async () => {
  sockets = []
  app = fastify({ forceCloseConnections: true })
  const reads = new LongReads(new AbortController().signal, new SharedBound(MAX_HELD_BYTES))
  app.register(exportRoute, { reader: endless, reads })
  await app.listen()
})
afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  await app.close()
})

/** Begins an export, and waits for its first part. */
async function beginExport(): Promise<Socket> {
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  sockets.push(socket)
  socket.write('GET /config/export HTTP/1.1\r\nhost: localhost\r\n\r\n')
  await once(
    socket.on('error', () => undefined),
    'data',
  )
  return socket
}

it('exports that have begun count in the memory that all clients share', async () => {
  const first = await beginExport()
  const closed = once(first, 'close')
  const second = await beginExport()
  await closed
  await once(second, 'data')
})

it('an export that has ended counts no more', async () => {
  const first = await beginExport()
  first.destroy()
  await once(first, 'close')
  const second = await beginExport()
  await once(second, 'data')
  expect(second.destroyed).toBe(false)
})
