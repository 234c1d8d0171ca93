import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from '@jest/globals'
import { LingeringClose } from '../../../src/connections/lingering-close.ts'
import { BYTES_PER_TURN, readingTurns } from '../../../src/connections/paced-reading.ts'
import { UnreadBodies } from '../../../src/connections/unread-bodies.ts'
import { eventually } from '../../support/eventually.ts'
import { flood, mostReadInATurn } from '../../support/flood.ts'

const MIB = 1024 * 1024
const TIMEOUT_MS = 500
/** Passes in no test that does not mean it, however busy the machine is. */
const PATIENT_MS = 60_000
const SENDERS = 10
/** Longer than a packet of this machine takes to itself, in ms. */
const PAUSE_MS = 20

let server: Server
let requests = 0
const clients: Socket[] = []
const accepted: Socket[] = []

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  accepted.splice(0)
  requests = 0
  server.close()
  await once(server, 'close')
})

/** Starts a server that answers each request before its body arrives. */
async function serve(
  fields: Readonly<Record<string, string>> = {},
  timeoutMs = PATIENT_MS,
  body = 'too large',
): Promise<void> {
  server = createServer((_request, response) => {
    requests++
    response.writeHead(413, fields).end(body)
  })
  server.on('connection', connection => accepted.push(connection))
  const turns = readingTurns()
  const unreadBodies = new UnreadBodies(server, turns)
  new LingeringClose(server, { unreadBodies, turns, timeoutMs })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
}

function head(length: number, { version = '1.1', field = 'connection: close' } = {}): string {
  return `POST / HTTP/${version}\r\nhost: localhost\r\n${field}\r\ncontent-length: ${length}\r\n\r\n`
}

async function connected(): Promise<Socket> {
  const client = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, allowHalfOpen: true })
  clients.push(client)
  await once(client, 'connect')
  return client
}

/** Sends a head, and resolves once it is answered. */
async function answered(requestHead: string): Promise<Socket> {
  const client = (await connected()).on('error', () => undefined)
  client.write(requestHead)
  await once(client, 'data')
  return client
}

describe('a client that sends its body in parts after the last answer of its connection', () => {
  it.each([
    ['asks for the close', {}, head(20_000)],
    ['asks for the close, with a large body', {}, head(200_000)],
    ['sends HTTP/1.0', {}, head(20_000, { version: '1.0', field: 'accept: */*' })],
    ['is told of the close', { connection: 'close' }, head(20_000, { field: 'accept: */*' })],
  ])('and then reads, gets the answer: it %s', async (_, fields, requestHead) => {
    await serve(fields)
    const client = await connected()
    client.write(requestHead)
    await eventually(() => expect(requests).toBe(1))
    for (let i = 0; i < 5; i++) {
      client.write('x'.repeat(1_000))
      await sleep(PAUSE_MS)
    }
    const parts = await client.toArray()
    expect(String(Buffer.concat(parts))).toMatch(/^HTTP\/1\.1 413 [\s\S]*too large/)
    client.end()
    await eventually(() => expect(accepted.map(({ closed }) => closed)).toEqual([true]))
  })

  it('gets all of a large answer, also if the whole request had arrived before', async () => {
    const body = 'x'.repeat(MIB)
    await serve({}, PATIENT_MS, body)
    const client = (await connected()).pause()
    client.write(`${head(5)}12345`)
    await eventually(() => expect(accepted[0]).toMatchObject({ writableFinished: true }))
    for (let i = 0; i < 3; i++) {
      client.write(head(0))
      await sleep(PAUSE_MS)
    }
    const parts = await client.toArray()
    expect(String(Buffer.concat(parts)).length).toBeGreaterThan(body.length)
    expect(requests).toBe(1)
  })

  it('gets no answer to a later request, which is not handled', async () => {
    await serve({ connection: 'close' })
    const client = await answered(head(5, { field: 'accept: */*' }))
    client.write(`12345${head(0)}`)
    const ended = once(client, 'end')
    client.end()
    await ended
    expect(requests).toBe(1)
  })
})

describe('connections that are closed while their clients send', () => {
  it('end after some time, also if the client sends nothing', async () => {
    await serve({}, TIMEOUT_MS)
    const startMs = performance.now()
    const senders = await Promise.all(Array.from({ length: SENDERS }, () => answered(head(4_000 * MIB))))
    for (const sender of senders.slice(1)) flood(sender, 'x'.repeat(MIB))
    await eventually(() => expect(accepted.filter(({ closed }) => !closed).length).toBe(0))
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(TIMEOUT_MS - 1)
  })

  it.each([
    ['small', 20_000],
    ['large', 4_000 * MIB],
  ])('are read one at a time and held in no buffer, whatever the length of the body: %s', async (_, length) => {
    await serve()
    for (let i = 0; i < SENDERS; i++) flood(await answered(head(length)), 'x'.repeat(MIB))
    const most = await mostReadInATurn(accepted)
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThanOrEqual(2 * SENDERS * BYTES_PER_TURN)
    expect(accepted.map(({ readableLength }) => readableLength)).toEqual(accepted.map(() => 0))
  })
})
