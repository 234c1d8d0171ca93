import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { RequestTurns } from '../../../src/connections/request-turns.ts'
import { eventually } from '../../support/eventually.ts'

const PER_TURN = 4
/** Of all connections in a turn, before any has to wait. */
const PARSED_AT_ONCE = 8 * PER_TURN
const CONNECTIONS = 20
const PIPELINED = 16

let server: Server
/** Who was served in each turn of the event loop. */
let turns: string[][]
let counting: NodeJS.Immediate
const clients: Socket[] = []

beforeEach(async () => {
  turns = [[]]
  server = createServer((request, response) => {
    turns.at(-1)?.push(request.socket.remoteAddress ?? '')
    response.end(request.url)
  })
  new RequestTurns(server, PER_TURN)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(async () => {
  clearImmediate(counting)
  for (const client of clients.splice(0)) client.destroy()
  server.close()
  await once(server, 'close')
})

/** Resolves once a client of this address is connected. */
async function client(localAddress = '127.0.0.1'): Promise<Socket> {
  const accepted = once(server, 'connection')
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', localAddress })
  socket.on('error', () => undefined)
  clients.push(socket)
  await Promise.all([accepted, once(socket, 'connect')])
  return socket
}

/** Sends requests that arrive together. Resolves with what arrives, once it does. */
function pipeline(socket: Socket, requests = PIPELINED, query = ''): { received: string } {
  const answers = { received: '' }
  socket.on('data', data => {
    answers.received += data
  })
  const paths = Array.from({ length: requests }, (_, i) => `/${i}`)
  socket.write(paths.map(path => `GET ${path}${query} HTTP/1.1\r\nhost: localhost\r\n\r\n`).join(''))
  return answers
}

const pathsIn = ({ received }: { received: string }) => received.match(/^\/\d+/gm)

function countTurns(): void {
  turns.push([])
  counting = setImmediate(countTurns)
}

describe('requests that arrive together', () => {
  it('are handled a few in each turn of the event loop, those of a connection in their order', async () => {
    for (let i = 0; i < CONNECTIONS; i++) await client()
    countTurns()
    const answers = clients.map(socket => pipeline(socket))
    const handled = () => turns.reduce((sum, { length }) => sum + length, 0)
    await eventually(() => expect(handled()).toBe(CONNECTIONS * PIPELINED))
    // Each turn is counted from one immediate to the next, between which the rest of two budgets can be spent.
    expect(Math.max(...turns.map(({ length }) => length))).toBeLessThanOrEqual(2 * PER_TURN)
    const inOrder = Array.from({ length: PIPELINED }, (_, i) => `/${i}`)
    await eventually(() => expect(answers.map(pathsIn)).toEqual(answers.map(() => inOrder)))
  })

  it('count as several if their heads are long', async () => {
    for (let i = 0; i < CONNECTIONS; i++) await client()
    countTurns()
    for (const socket of clients) pipeline(socket, 3, `?${'x'.repeat(PER_TURN * 1_024)}`)
    await eventually(() => expect(turns.flat()).toHaveLength(CONNECTIONS * 3))
    expect(Math.max(...turns.map(({ length }) => length))).toBeLessThanOrEqual(2)
  })

  it('of one address do not delay those of another', async () => {
    for (let i = 0; i < CONNECTIONS; i++) await client()
    const other = await client('127.0.0.2')
    for (const socket of clients) if (socket !== other) pipeline(socket)
    pipeline(other, 1)
    await eventually(() => expect(turns.flat()).toHaveLength(CONNECTIONS * PIPELINED + 1))
    expect(turns.flat().indexOf('127.0.0.2')).toBeLessThan((CONNECTIONS * PIPELINED) / 2)
  })

  it('are not handled once their connection is closed', async () => {
    const [first, second] = [await client(), await client()]
    const [connection] = await new Promise<Socket[]>(resolve => {
      server.once('request', ({ socket }) => resolve([socket]))
      pipeline(first)
    })
    connection?.destroy()
    pipeline(second, 1)
    await eventually(() => expect(clients.map(({ closed }) => closed)).toEqual([true, false]))
    await eventually(() => expect(turns.flat().length).toBeGreaterThan(PER_TURN))
    expect(turns.flat()).toHaveLength(PER_TURN + 1)
  })
})

it('reads the ends of connections that clients end together in several turns', async () => {
  server.on('connection', socket => socket.on('end', () => turns.at(-1)?.push('end')))
  for (let i = 0; i < 10 * PARSED_AT_ONCE; i++) await client()
  countTurns()
  for (const socket of clients) socket.end()
  await eventually(() => expect(turns.flat()).toHaveLength(clients.length))
  expect(Math.max(...turns.map(({ length }) => length))).toBeLessThanOrEqual(2 * PARSED_AT_ONCE)
})

it('reads bodies of many chunks in several turns', async () => {
  const chunks = 50
  server.on('request', request => request.on('data', () => turns.at(-1)?.push('chunk')))
  for (let i = 0; i < CONNECTIONS; i++) {
    const socket = await client()
    const begun = once(server, 'request')
    socket.write('POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n')
    await begun
  }
  countTurns()
  turns = [[]]
  for (const socket of clients) socket.write(`${'1\r\nX\r\n'.repeat(chunks)}0\r\n\r\n`)
  await eventually(() => expect(turns.flat()).toHaveLength(CONNECTIONS * chunks))
  const partsPerTurn = 8 * PARSED_AT_ONCE
  expect(Math.max(...turns.map(({ length }) => length))).toBeLessThanOrEqual(partsPerTurn + chunks)
})

const MEGABYTE = 2 ** 20
const BYTES_PER_READ = 65_536

it.each([
  ['empty lines before a request', '\r\n'.repeat(MEGABYTE / 2)],
  [
    'long extensions of chunks',
    `POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n${`1;${'x'.repeat(15_000)}\r\nX\r\n`.repeat(70)}0\r\n\r\n`,
  ],
])('reads %s in several turns', async (_, bytes) => {
  const sockets: Socket[] = []
  server.on('connection', socket => sockets.push(socket)).on('request', request => request.resume())
  for (let i = 0; i < CONNECTIONS; i++) await client()
  const readBefore = [0]
  const countBytes = () => {
    readBefore.push(sockets.reduce((sum, { bytesRead }) => sum + bytesRead, 0))
    counting = setImmediate(countBytes)
  }
  countBytes()
  for (const socket of clients)
    socket.resume().write(`${bytes}GET /last HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`)
  await eventually(() => expect(clients.map(({ closed }) => closed)).not.toContain(false))
  const perTurn = readBefore.slice(1).map((bytes, turn) => bytes - (readBefore[turn] ?? 0))
  expect(readBefore.at(-1)).toBeGreaterThan(CONNECTIONS * MEGABYTE)
  expect(Math.max(...perTurn)).toBeLessThanOrEqual(4 * BYTES_PER_READ)
})
