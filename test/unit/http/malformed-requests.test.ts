import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { ConnectionSlots } from '../../../src/connections/connection-slots.ts'
import { Connections } from '../../../src/connections/connections.ts'
import { LingeringClose } from '../../../src/connections/lingering-close.ts'
import { BYTES_PER_TURN, readingTurns } from '../../../src/connections/paced-reading.ts'
import { UnreadBodies } from '../../../src/connections/unread-bodies.ts'
import { rejectMalformedRequests, rejectTunnels } from '../../../src/http/malformed-requests.ts'
import { eventually } from '../../support/eventually.ts'
import { flood, mostReadInATurn } from '../../support/flood.ts'
import { collectGarbage } from '../../support/garbage.ts'

const MIB = 1024 * 1024
const SENDERS = 5
const REQUEST = 'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'

let server: Server
const responses: ServerResponse[] = []
let errors: WeakRef<Error>[] = []
const clients: Socket[] = []
const accepted: Socket[] = []

beforeEach(async () => {
  server = createServer((_request, response) => responses.push(response))
  const connections = new Connections(server, { slots: new ConnectionSlots({ max: 100, onClosed: () => undefined }) })
  const turns = readingTurns()
  const unreadBodies = new UnreadBodies(server, turns)
  const closing = { connections, lingeringClose: new LingeringClose(server, { unreadBodies, turns }) }
  server.on('connection', connection => accepted.push(connection))
  const rejectMalformed = rejectMalformedRequests(closing)
  server.on('clientError', (err, socket) => {
    errors.push(new WeakRef(err))
    rejectMalformed(err as Error & { code: string }, socket as Socket)
  })
  server.on('connect', rejectTunnels(closing))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  accepted.splice(0)
  responses.splice(0)
  errors = []
  server.close()
  await once(server, 'close')
})

/** Sends bytes after a request, and resolves once the request has arrived. */
async function sendAfterRequest(bytes: string): Promise<Socket> {
  const arrived = once(server, 'request')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => undefined)
  clients.push(client)
  client.write(REQUEST + bytes)
  await arrived
  return client
}

describe('what a client sends behind an unanswered request', () => {
  it.each([
    ['a tunnel', 'CONNECT elsewhere:443 HTTP/1.1\r\nhost: localhost\r\n\r\n', 404],
    ['bytes that are not HTTP', 'this is not HTTP\r\n\r\n', 400],
  ])('is read one connection at a time after %s, and the client gets both answers', async (_, bytes, status) => {
    for (let i = 0; i < SENDERS; i++) flood(await sendAfterRequest(bytes), 'x'.repeat(MIB))
    expect(await mostReadInATurn(accepted)).toBeLessThanOrEqual(2 * SENDERS * BYTES_PER_TURN)

    const answers = clients.map(client => text(client))
    for (const response of responses) response.end('done')
    for (const answer of await Promise.all(answers)) {
      expect(answer.match(/HTTP\/1\.1 [0-9]+/g)).toEqual(['HTTP/1.1 200', `HTTP/1.1 ${status}`])
    }
  })

  it('is not held in memory with the error of the parser', async () => {
    await sendAfterRequest('this is not HTTP\r\n\r\n')
    await eventually(() => expect(errors).toHaveLength(1))
    await nextTurn()
    collectGarbage()
    expect(errors[0]?.deref()).toBeUndefined()
  })
})
