import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { Service } from '../support/service.ts'

const IDLE_CONNECTIONS = 5_000

/** Longer than a client may read nothing, and than the kernel takes no more bytes for one that reads 60 KB a second, in ms. */
const SLOW_READING_MS = 35_000

let service: Service
/** How many pages a client received that stopped reading, and one that read slowly. They run beside the other tests. */
let readers: Promise<readonly [stopped: number, slow: number]>
beforeAll(async () => {
  service = await Service.start()
  readers = Promise.all([readPages(16, 0, SLOW_READING_MS), readPages(16, 60_000, SLOW_READING_MS)])
})
afterAll(() => service.stop())

function connection(): Socket {
  const { port } = new URL(service.url)
  const socket = connect({ host: '127.0.0.1', port: Number(port), allowHalfOpen: true })
  socket.on('error', () => undefined)
  return socket
}

/** Sends one part per interval until all are sent or the service closes the connection. Resolves with the answer. */
async function trickle(parts: readonly string[], intervalMs: number): Promise<string> {
  const socket = connection()
  const answer = text(socket).catch(() => '')
  for (const part of parts) {
    if (socket.destroyed || socket.readableEnded) break
    socket.write(part)
    await sleep(intervalMs)
  }
  const received = await answer
  socket.destroy()
  return received
}

const head = (length: number) =>
  `POST /check/batch HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`

/** A request that is refused before its body is read, while the client continues to send the body. */
const unreadable = (length: number) =>
  `POST /config/%ff HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`

/** A page of more than a megabyte, so that a few fill every buffer on the way. */
const PAGE = '/docs/static/swagger-ui-bundle.js'

/**
 * Requests some pages, reads them at this rate for this time, and then reads the rest at once.
 * @returns how many pages it received
 */
async function readPages(count: number, bytesPerSecond: number, ms: number): Promise<number> {
  const socket = connection()
  socket.write(`GET ${PAGE} HTTP/1.1\r\nhost: localhost\r\n\r\n`.repeat(count))
  const parts: Buffer[] = []
  let bytes = 0
  const startMs = performance.now()
  while (performance.now() - startMs < ms) {
    await sleep(50)
    while (bytes < ((performance.now() - startMs) / 1000) * bytesPerSecond) {
      const part = socket.read() as Buffer | null
      if (part === null) break
      parts.push(part)
      bytes += part.length
    }
  }
  const timer = setTimeout(() => socket.end(), 500)
  socket.on('data', part => {
    parts.push(part)
    timer.refresh()
  })
  await once(socket, 'close')
  return Buffer.concat(parts).toString().split('HTTP/1.1 200 OK').length - 1
}

describe('a client that sends slowly', () => {
  it('is disconnected if it is too slow, and served if it keeps the minimum rate', async () => {
    const startMs = performance.now()
    const dropped = Promise.all([
      trickle(['GET /health HTTP/1.1\r\n', ...Array(300).fill('x: y\r\n')], 200),
      trickle([head(1_000), ...Array(300).fill(' ')], 200),
      trickle([unreadable(1_000), ...Array(300).fill(' ')], 200),
    ]).then(answers => ({ answers, afterMs: performance.now() - startMs }))

    const checks = JSON.stringify({ checks: [{ key: 'slow' }] })
    const parts = Array.from({ length: 28 }, () => ' '.repeat(4_096))
    const served = await trickle([head(28 * 4_096 + checks.length), ...parts, checks], 500)
    expect(served).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*"allowed":true/)

    const { answers, afterMs } = await dropped
    for (const answer of answers) expect(answer).not.toMatch(/^HTTP\/1\.1 2/)
    expect(afterMs).toBeLessThan(40_000)
  })
})

describe('a client that reads slowly', () => {
  it('is disconnected if it stops reading, and served if it continues', async () => {
    const [stopped, slow] = await readers
    expect(stopped).toBeLessThan(16)
    expect(slow).toBe(16)
  })
})

describe('5,000 idle connections', () => {
  it('do not prevent other clients from being served', async () => {
    const idle: Socket[] = []
    for (let i = 0; i < IDLE_CONNECTIONS; i += 250) {
      const some = Array.from({ length: 250 }, connection)
      await Promise.all(some.map(socket => once(socket, 'connect')))
      idle.push(...some)
    }
    const client = new Client(service.url)
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => client.check(`busy:${i}`)))
    expect(answers.filter(({ status }) => status !== 200)).toEqual([])
    expect(idle.filter(socket => socket.destroyed)).toEqual([])
    for (const socket of idle) socket.destroy()
  })
})
