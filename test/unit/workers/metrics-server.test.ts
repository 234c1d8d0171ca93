import { once } from 'node:events'
import type { Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { createLogger } from '../../../src/observability/logger.ts'
import { serveMetrics } from '../../../workers/metrics-server.ts'
import { eventually } from '../../support/eventually.ts'
import { flood, mostReadInATurn } from '../../support/flood.ts'
import { freePort } from '../../support/free-port.ts'

const MIB = 1024 * 1024
const HOST = '127.0.0.1'
const OTHER = '127.0.0.2'
const SCRAPE = 'GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n'
const HEALTH = 'GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n'
const logger = createLogger({ level: 'silent', role: 'worker' })

let server: Server
let port: number
let scrapes: number
let metrics: () => Promise<string>
const sockets: Socket[] = []

beforeEach(async () => {
  scrapes = 0
  metrics = async () => 'up 1\n'
  port = await freePort(HOST)
  const text = () => {
    scrapes++
    return metrics()
  }
  const healthy = { inspectStore: async () => undefined, unreachablePartitions: () => [] }
  server = serveMetrics({ host: HOST, port, ...healthy, metrics: text, logger }) as Server
  await once(server, 'listening')
})

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
})

async function connected(localAddress = HOST): Promise<Socket> {
  const socket = connect({ host: HOST, port, localAddress })
  socket.on('error', () => undefined)
  sockets.push(socket)
  await once(socket, 'connect')
  return socket
}

/** Resolves once the server has closed or reset a connection. */
async function closed(socket: Socket): Promise<void> {
  socket.resume()
  if (!socket.closed) await new Promise(resolve => socket.once('close', resolve))
}

/** Resolves once this many further requests have arrived. */
function requests(count: number): Promise<void> {
  return new Promise(resolve => {
    let arrived = 0
    server.on('request', () => ++arrived === count && resolve())
  })
}

/** Makes a collection wait. Returns a function that ends it; later ones have the given result at once. */
function holdMetrics(later = 'up 1\n'): () => void {
  let finish = (_text: string) => {}
  metrics = () => new Promise(resolve => (finish = resolve))
  return () => {
    metrics = async () => later
    finish('up 1\n')
  }
}

async function answerTo(request: string, localAddress = HOST): Promise<string> {
  const socket = await connected(localAddress)
  socket.write(request)
  return String((await once(socket, 'data'))[0])
}

describe('the metrics server of a worker', () => {
  it('answers requests one after another on one connection', async () => {
    const socket = await connected()
    for (let i = 0; i < 5; i++) {
      socket.write(SCRAPE)
      expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1.1 200 OK\r\n[\s\S]*up 1\n/)
    }
  })

  it('collects at most ten times a second', async () => {
    const startMs = performance.now()
    for (let i = 0; i < 5; i++) await answerTo(SCRAPE)
    expect(scrapes).toBe(5)
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(400)
  })

  it('closes the oldest idle connection for one beyond the 50th', async () => {
    const finish = holdMetrics()
    const busy = answerTo(SCRAPE)
    await eventually(() => expect(scrapes).toBe(1))
    const idle: Socket[] = []
    for (let i = 0; i < 49; i++) idle.push(await connected())

    expect(await answerTo(HEALTH)).toMatch(/^HTTP\/1.1 200 OK/)
    await closed(idle[0] as Socket)
    expect(idle.filter(({ destroyed }) => destroyed)).toHaveLength(1)
    finish()
    expect(await busy).toMatch(/^HTTP\/1.1 200 OK/)
  })

  it('closes one of the address that has the most, even if it is busy', async () => {
    holdMetrics()
    const arrived = requests(49)
    const busy = await Promise.all(Array.from({ length: 49 }, () => connected()))
    for (const socket of busy) socket.write(SCRAPE)
    await arrived
    const other = await connected(OTHER)
    const further = await connected()
    await eventually(() => expect(busy.filter(({ destroyed }) => destroyed)).toHaveLength(1))
    expect(await answerTo(HEALTH, OTHER)).toMatch(/^HTTP\/1.1 200 OK/)
    await closed(further)
    expect(busy.filter(({ destroyed }) => destroyed)).toHaveLength(1)

    other.write(HEALTH)
    expect(String((await once(other, 'data'))[0])).toMatch(/^HTTP\/1.1 200 OK/)
  })

  it('disconnects a client that sends many requests without waiting, after at most two collections', async () => {
    const socket = await connected()
    let requests = 0
    server.on('request', () => requests++)
    socket.write(SCRAPE.repeat(1_800))
    await closed(socket)
    expect(scrapes).toBeLessThanOrEqual(2)
    // The requests after those are not even parsed.
    expect(requests).toBeLessThanOrEqual(3)
  })

  it('reads what clients send after the answer one at a time', async () => {
    const connections: Socket[] = []
    server.on('connection', connection => connections.push(connection))
    for (let i = 0; i < 10; i++) {
      const socket = await connected()
      socket.write(`POST /nothing HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${4_000 * MIB}\r\n\r\n`)
      expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1.1 404 /)
      flood(socket, 'x'.repeat(MIB))
    }
    const most = await mostReadInATurn(connections)
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThan(MIB)
  })

  it('collects once more for all requests that arrive during a collection', async () => {
    const finish = holdMetrics('up 2\n')
    const first = answerTo(SCRAPE)
    await eventually(async () => expect(scrapes).toBe(1))

    const arrived = requests(20)
    const others = Array.from({ length: 20 }, () => answerTo(SCRAPE))
    await arrived
    finish()
    expect(await first).toMatch(/up 1\n/)
    for (const answer of await Promise.all(others)) expect(answer).toMatch(/up 2\n/)
    expect(scrapes).toBe(2)
  })
})
