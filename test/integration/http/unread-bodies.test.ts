import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, expect, it } from '@jest/globals'
import { eventually } from '../../support/eventually.ts'
import { flood } from '../../support/flood.ts'
import { givenApp } from './given-app.ts'

const MIB = 1024 * 1024
const GIGABYTES = 4_000 * MIB
/** Time for the rest of a body, in ms. */
const REST_MS = 5_000

const given = givenApp({ variables: { ADMIN_TOKENS: 'ops:a-token-of-operators' } })
const sockets: Socket[] = []
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
})

/** The head of a request that is answered with this status before its body has arrived. */
const HEADS: Readonly<Record<number, (framing: string) => string>> = {
  200: framing => head('GET /ready', framing),
  401: framing => head('PUT /config/k', framing),
  404: framing => head('POST /nothing', framing),
  405: framing => head('POST /health', framing),
  413: framing => head('POST /check', framing),
  415: framing => head('POST /check', framing).replace('application/json', 'text/plain'),
}

function head(line: string, framing: string): string {
  return `${line} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n${framing}\r\n\r\n`
}

/** Sends bytes, and resolves with the status of the answer. */
async function statusOf(socket: Socket, bytes: string): Promise<number> {
  socket.write(bytes)
  const [answer] = await once(socket, 'data')
  return Number(/^HTTP\/1\.1 ([0-9]+) /.exec(String(answer))?.[1])
}

async function connected(): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: given.app.port })
  socket.on('error', () => undefined)
  sockets.push(socket)
  await once(socket, 'connect')
  return socket
}

const cases = Object.entries(HEADS).map(([status, headOf]) => [Number(status), headOf] as const)

it('clients that send gigabytes after the answer are disconnected, and delay no other', async () => {
  const startMs = performance.now()
  const senders = cases.map(async ([status, headOf]) => {
    const socket = await connected()
    expect(await statusOf(socket, headOf(`content-length: ${GIGABYTES}`))).toBe(status)
    flood(socket, 'x'.repeat(MIB))
    return socket
  })
  const open = await Promise.all(senders)
  expect((await given.app.client.check('other')).status).toBe(200)
  await eventually(() => expect(open.filter(({ closed }) => !closed)).toEqual([]), 3 * REST_MS)
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(REST_MS - 1)
  // Without a pace, the service reads gigabytes in this time.
  for (const { bytesWritten } of open) expect(bytesWritten).toBeLessThan(400 * MIB)
})

it.each(cases)('a client whose body arrives right after the answer %i keeps its connection', async (status, headOf) => {
  const socket = await connected()
  for (const length of [70_000, 200_000, 2_000_000]) {
    expect(await statusOf(socket, headOf(`content-length: ${length}`))).toBe(status)
    expect(await statusOf(socket, 'x'.repeat(length) + head('GET /ready', 'accept: */*'))).toBe(200)
  }
})
