import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it, jest } from '@jest/globals'
import { BYTES_PER_TURN, readingTurns } from '../../../src/connections/paced-reading.ts'
import { UnreadBodies } from '../../../src/connections/unread-bodies.ts'
import { Turns } from '../../../src/lib/turns.ts'
import { eventually } from '../../support/eventually.ts'
import { flood, mostReadInATurn } from '../../support/flood.ts'

const MIB = 1024 * 1024
const TIMEOUT_MS = 500
const PATIENT_MS = 100_000
const SENDERS = 10

let server: Server
const clients: Socket[] = []
const connections: Socket[] = []
const requests: IncomingMessage[] = []

afterEach(async () => {
  jest.useRealTimers()
  for (const client of clients.splice(0)) client.destroy()
  connections.splice(0)
  requests.splice(0)
  server.close()
  await once(server, 'close')
})

async function serve(turns = readingTurns(), timeoutMs = PATIENT_MS): Promise<void> {
  server = createServer((request, response) => {
    requests.push(request)
    response.writeHead(404).end('nothing')
  })
  server.on('connection', connection => connections.push(connection))
  new UnreadBodies(server, turns, timeoutMs)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
}

/** From now on, `advanceTimersByTime` lets rests time out. Other timers, such as those of turns, run as usual. */
function holdTimers(): void {
  jest.useFakeTimers({
    advanceTimers: true,
    doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance', 'Date'],
  })
}

/** The head of a request with a body of this length; without a length, the body is chunked. */
function head(length?: number): string {
  const framing = length === undefined ? 'transfer-encoding: chunked' : `content-length: ${length}`
  return `POST /nothing HTTP/1.1\r\nhost: localhost\r\n${framing}\r\n\r\n`
}

async function connected(): Promise<Socket> {
  const client = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })
  client.on('error', () => undefined)
  clients.push(client)
  await once(client, 'connect')
  return client
}

/** Sends a head, and resolves once it is answered. */
async function answered(client: Socket, requestHead: string): Promise<Socket> {
  client.write(requestHead)
  const [answer] = await once(client, 'data')
  expect(String(answer)).toMatch(/^HTTP\/1\.1 404 /)
  return client
}

describe('the rests of bodies whose requests are answered', () => {
  it.each([
    ['of an announced length', head(4_000 * MIB), 'x'.repeat(MIB)],
    ['in chunks', head(), `${MIB.toString(16)}\r\n${'x'.repeat(MIB)}\r\n`],
  ])('are read one at a time and held in no buffer: %s', async (_, requestHead, text) => {
    await serve()
    for (let i = 0; i < SENDERS; i++) flood(await answered(await connected(), requestHead), text)
    const most = await mostReadInATurn(connections)
    expect(most).toBeGreaterThan(0)
    // At first, each connection reads what has arrived: the bytes of a turn, and what its socket reads at once.
    expect(most).toBeLessThanOrEqual(2 * SENDERS * BYTES_PER_TURN)
    expect(requests.map(({ readableLength }) => readableLength)).toEqual(requests.map(() => 0))
  })

  it('end their connections if they take too long', async () => {
    await serve(readingTurns(), TIMEOUT_MS)
    const startMs = performance.now()
    const senders = await Promise.all(
      Array.from({ length: SENDERS }, async () => answered(await connected(), head(4_000 * MIB))),
    )
    for (const sender of senders.slice(1)) flood(sender, 'x'.repeat(MIB))
    await eventually(() => expect(senders.filter(({ closed }) => !closed)).toEqual([]))
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(TIMEOUT_MS - 1)
  })

  it('leave their connections usable if they arrive in time', async () => {
    holdTimers()
    await serve()
    const client = await connected()
    for (let i = 0; i < 3; i++) {
      await answered(client, head(MIB))
      client.write('x'.repeat(MIB))
    }
    // Once this request is answered, all rests have arrived.
    await answered(client, head(0))
    jest.advanceTimersByTime(2 * PATIENT_MS)
    await answered(client, head(0))
  })

  it('delay no later request of their connections, and only the last of a connection waits for its turn', async () => {
    holdTimers()
    await serve(new Turns({ perSecond: 0.001 }))
    const client = await connected()
    const waiting: (number | undefined)[] = []
    for (let i = 0; i < 10; i++) {
      await answered(client, head())
      client.write('c\r\nsome content\r\n0\r\n\r\n')
      waiting.push(connections[0]?.listenerCount('close'))
    }
    expect(Math.max(...waiting.slice(2).map(Number))).toBeLessThanOrEqual(waiting[1] ?? 0)
    await answered(client, head(0))
    jest.advanceTimersByTime(2 * PATIENT_MS)
    await answered(client, head(0))
  })

  it('may not be thousands of tiny chunks, also while no body has its turn', async () => {
    const turns = new Turns({ perSecond: 0.001 })
    turns.add('another client', { run: () => undefined })
    await serve(turns)
    const startMs = performance.now()
    const client = await answered(await connected(), head())
    client.write('1\r\nx\r\n'.repeat(5_000))
    await once(client, 'close')
    expect(performance.now() - startMs).toBeLessThan(PATIENT_MS)
  })
})
