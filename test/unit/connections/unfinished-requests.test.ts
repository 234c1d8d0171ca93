import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { SharedBound } from '../../../src/connections/shared-bound.ts'
import { UnfinishedRequests } from '../../../src/connections/unfinished-requests.ts'
import { eventually } from '../../support/eventually.ts'

const HEAD = `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(10_000)}\r\n`
const HEAD_BYTES = HEAD.length + 4_096

let server: Server
const clients: Socket[] = []

beforeEach(async () => {
  server = createServer((_request, response) => response.end('done'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  server.close()
  await once(server, 'close')
})

interface Inspected {
  readonly maxBytes?: number
  readonly timeoutMs?: number
  readonly refuseLate?: (connection: Socket) => void
}

function inspect({ maxBytes = HEAD_BYTES, timeoutMs = 60_000, refuseLate = () => undefined }: Inspected): SharedBound {
  const memory = new SharedBound(maxBytes)
  new UnfinishedRequests(server, { refuseLate, memory, timeoutMs })
  return memory
}

/** Resolves once the server has received what the client sent. */
async function clientOf(sent = '', localAddress = '127.0.0.1'): Promise<Socket> {
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', localAddress })
  client.on('error', () => undefined).resume()
  clients.push(client)
  if (sent !== '') client.write(sent)
  const [connection] = await accepted
  await eventually(() => expect(connection.bytesRead).toBe(sent.length))
  return client
}

it('the oldest heads are dropped if all together are too large', async () => {
  inspect({ maxBytes: 3 * HEAD_BYTES })
  const silent = await clientOf()
  const senders: Socket[] = []
  for (let i = 0; i < 5; i++) senders.push(await clientOf(HEAD))
  await eventually(() => expect(senders.map(({ closed }) => closed)).toEqual([true, true, false, false, false]))
  expect(silent.closed).toBe(false)

  const [, , , , last] = senders as [Socket, Socket, Socket, Socket, Socket]
  const answered = once(last, 'data')
  last.write('\r\n')
  expect(String(await answered)).toContain('200 OK')
})

it('a client whose heads hold less loses none when those of another are too large', async () => {
  inspect({ maxBytes: 3 * HEAD_BYTES })
  const other = await clientOf(HEAD, '127.0.0.2')
  const senders: Socket[] = []
  for (let i = 0; i < 4; i++) senders.push(await clientOf(HEAD))
  await eventually(() => expect(senders.map(({ closed }) => closed)).toEqual([true, true, false, false]))
  expect(other.closed).toBe(false)
})

it('a body that is still arriving is no unfinished head', async () => {
  inspect({ maxBytes: 3 * HEAD_BYTES })
  const upload = await clientOf(
    `POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n${'x'.repeat(20_000)}`,
  )
  const senders: Socket[] = []
  for (let i = 0; i < 5; i++) senders.push(await clientOf(HEAD))
  await eventually(() => expect(senders.map(({ closed }) => closed)).toEqual([true, true, false, false, false]))
  expect(upload.closed).toBe(false)
})

it('heads leave the memory that other kinds of requests hold', async () => {
  const memory = inspect({ maxBytes: 3 * HEAD_BYTES })
  memory.hold('192.0.2.1', () => undefined, HEAD_BYTES)
  const senders: Socket[] = []
  for (let i = 0; i < 3; i++) senders.push(await clientOf(HEAD))
  await eventually(() => expect(senders.map(({ closed }) => closed)).toEqual([true, false, false]))
})

it('late connections are closed a few in each turn of the event loop', async () => {
  const refused: Socket[] = []
  inspect({ timeoutMs: 1_000, refuseLate: connection => refused.push(connection) })
  let turn = 0
  const perTurn = new Map<number, number>()
  server.on('connection', socket => {
    socket.once('close', () => perTurn.set(turn, (perTurn.get(turn) ?? 0) + 1))
  })
  // Connections are late a second after they began, which may be before the last has begun.
  let counting = setImmediate(function count() {
    turn++
    counting = setImmediate(count)
  })
  for (let i = 0; i < 300; i++) await clientOf()
  await eventually(() => expect(clients.filter(({ closed }) => !closed).length).toBe(0))
  clearImmediate(counting)
  expect(Math.max(...perTurn.values())).toBeLessThanOrEqual(50)
  expect(refused.length).toBe(0)
})

it('a client whose head is late gets an answer', async () => {
  const refused: Socket[] = []
  inspect({ timeoutMs: 500, refuseLate: connection => refused.push(connection) })
  await clientOf('GET / HTTP/1.1\r\n')
  await eventually(() => expect(refused.length).toBe(1))
})
