import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { ATTACK_MS, expectUnharmed, MAX_RESIDENT_MB, underAttack } from '../support/attack.ts'
import { Client } from '../support/client.ts'
import { describeLong } from '../support/describe-long.ts'
import { freePort } from '../support/free-port.ts'
import { Service } from '../support/service.ts'

const MIB = 1024 * 1024
const GIGABYTES = 1_000 * 1024 * MIB
/** Twice what it is if each of four thousand connections sends one request at the same time, which is no attack. */
const MAX_P99_OF_BURSTS_MS = 75
/** The connections of all attackers are new at first, too. */
const MAX_WAIT_OF_NEW_CLIENTS_MS = 5_000
const FLOOD = 'x'.repeat(64 * 1024)
const KILOBYTE = 'x'.repeat(1024)

let service: Service
let workerPort: number
beforeAll(async () => {
  workerPort = await freePort()
  const env = { WEB_CONCURRENCY: '1', DEFAULT_CAPACITY: '1000000000', WORKER_METRICS_PORT: String(workerPort) }
  service = await Service.start({ env })
})
afterAll(() => service.stop())

const post = (path: string, length: number) =>
  `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`
const chunked = (path: string) =>
  `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`
const chunkOf = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`
const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`

/** A batch of the maximum size that consists of this unit. */
function batchOf(begin: string, unit: string, end: string) {
  const times = Math.floor((4 * MIB - begin.length - end.length) / Buffer.byteLength(unit))
  const length = begin.length + times * Buffer.byteLength(unit) + end.length
  return { head: post('/check/batch', length) + begin, fill: [unit, times] as const, tail: end, again: true }
}

/** How long clients of an address of their own wait for the answer to their first request, during an attack, in ms. */
async function waitsOfNewClients(): Promise<readonly number[]> {
  const waitsMs: number[] = []
  const endMs = performance.now() + ATTACK_MS
  while (performance.now() < endMs) {
    const startMs = performance.now()
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(service.url).port), localAddress: '127.0.0.9' })
    socket.write(get('/ready'))
    await once(socket, 'data')
    socket.destroy()
    waitsMs.push(performance.now() - startMs)
    await sleep(500)
  }
  return waitsMs
}

describeLong('checks are answered in time, and memory is bounded, while other clients', () => {
  it.each([
    ['send brackets nested millions deep', batchOf('', '[', '')],
    ['send millions of numbers', batchOf('{"checks":[0', ',0', ']}')],
    ['send a string of millions of characters', batchOf('{"checks":["', '\u{1f600}', '"]}')],
    ['send a string of escapes', batchOf('{"checks":["', '\\n', '"]}')],
    ['send a number of millions of digits', batchOf('{"checks":[', '7', ']}')],
    ['send blanks', batchOf('{"checks":[]', ' ', '}')],
  ])(
    '%s',
    async (what, attack) => {
      expectUnharmed(what, await underAttack(service, { connections: 4, ...attack }))
    },
    60_000,
  )

  it.each([['send small bodies of many members', post('/check', 60_000), 60_000]])(
    '%s',
    async (what, head, length) => {
      const members = Array.from({ length: 6_000 }, (_, i) => `"${i}":0,`)
        .join('')
        .slice(0, length - 1)
      const attack = { connections: 4, head, fill: [`{${members}`.padEnd(length, ' '), 1] as const, again: true }
      expectUnharmed(what, await underAttack(service, attack))
    },
    60_000,
  )

  it.each([
    [
      'send half of large bodies and then trickle',
      {
        connections: 150,
        head: post('/check/batch', 4 * MIB),
        fill: [' ', 4_000_000] as const,
        trickle: ' '.repeat(4_500),
      },
    ],
    ['trickle bodies', { connections: 150, head: post('/check/batch', 4 * MIB), trickle: ' '.repeat(4_500) }],
    [
      'send half of a small body each',
      { connections: 5_000, head: post('/check', 60_000), fill: [' ', 50_000] as const, reopens: true },
    ],
    [
      'send a body in chunks of a byte',
      {
        connections: 100,
        head: chunked('/check/batch'),
        fill: ['1\r\n \r\n', 500_000] as const,
      },
    ],
    [
      'send large bodies where small ones are allowed',
      { connections: 150, head: post('/check', 4 * MIB), fill: [' ', 4 * MIB] as const, again: true },
    ],
    ['never send the body for a path that cannot be decoded', { connections: 2_000, head: post('/config/%ff', 1_000) }],
  ])(
    '%s',
    async (what, attack) => {
      expectUnharmed(what, await underAttack(service, attack))
    },
    60_000,
  )

  it.each([
    ['404', 'of the service', post('/nothing', GIGABYTES), FLOOD],
    ['404, in chunks', 'of the service', chunked('/nothing'), chunkOf(FLOOD)],
    ['413', 'of the service', post('/check', GIGABYTES), FLOOD],
    ['200', 'of the service', post('/health', GIGABYTES).replace('POST', 'GET'), FLOOD],
    ['404', "of the worker's metrics", post('/nothing', GIGABYTES), FLOOD],
  ])(
    'send gigabytes after the answer %s to the port %s',
    async (status, whose, head, flood) => {
      const attack = { connections: 20, head, flood, reopens: true }
      const port = whose === 'of the service' ? {} : { port: workerPort }
      expectUnharmed(`gigabytes after ${status} ${whose}`, await underAttack(service, { ...attack, ...port }))
    },
    60_000,
  )

  it.each([
    ['a refused body', post('/nothing', GIGABYTES), KILOBYTE],
    ['a refused body in chunks', chunked('/nothing'), chunkOf(KILOBYTE)],
    ['a check and bytes that are not HTTP', `${post('/check', 11)}{"key":"a"}`, KILOBYTE],
  ])(
    'send hundreds of kilobytes on thousands of connections: %s',
    async (what, head, kilobyte) => {
      const attack = { connections: 4_000, head, fill: [kilobyte, 300] as const, reopens: true }
      expectUnharmed(what, await underAttack(service, attack), MAX_P99_OF_BURSTS_MS)
    },
    60_000,
  )

  it.each([
    ['empty lines', get('/health'), '\r\n'.repeat(KILOBYTE.length * 8)],
    ['long extensions of chunks', chunked('/check'), `1;${'x'.repeat(15_000)}\r\n \r\n`],
    ['chunks with thousands of extensions', chunked('/check'), `1${';x'.repeat(7_500)}\r\n \r\n`],
  ])(
    'send bytes that belong to no body without end: %s',
    async (what, head, flood) => {
      const attack = { connections: 400, from: '127.0.0.2', head, flood, reopens: true }
      expectUnharmed(what, await underAttack(service, attack), MAX_P99_OF_BURSTS_MS)
    },
    60_000,
  )

  it.each(['/openapi.json', '/docs', '/docs/static/swagger-ui-bundle.js', '/metrics', '/health', '/nothing'])(
    'request %s and never read it',
    async path => {
      const attack = { connections: 1_500, head: get(path).repeat(10), reads: false, reopens: true }
      expectUnharmed(`unread ${path}`, await underAttack(service, attack))
    },
    60_000,
  )

  it.each(['/openapi.json', '/docs', '/docs/static/swagger-ui-bundle.js', '/docs/nothing'])(
    'request %s continuously',
    async path => {
      expectUnharmed(path, await underAttack(service, { connections: 64, head: get(path), again: true }))
    },
    60_000,
  )

  it('send thousands of checks without reading the answers', async () => {
    const check = `${post('/check', 11)}{"key":"a"}`
    const attack = { connections: 500, head: check.repeat(100), reads: false, reopens: true }
    expectUnharmed('unread checks', await underAttack(service, attack))
  }, 60_000)

  it('send thousands of pipelined requests at once', async () => {
    const attack = { connections: 4_000, from: '127.0.0.2', head: get('/x'), burst: get('/x').repeat(16) }
    expectUnharmed('bursts of pipelined requests', await underAttack(service, attack), MAX_P99_OF_BURSTS_MS)
  }, 60_000)

  it.each(['/check', '/nothing'])(
    'send the chunks of thousands of bodies for %s at once',
    async path => {
      const attack = { connections: 2_000, from: '127.0.0.2', head: chunked(path), burst: chunkOf(' ').repeat(400) }
      const figures = await underAttack(service, { ...attack, reopens: true })
      expectUnharmed(`bursts of chunks for ${path}`, figures, MAX_P99_OF_BURSTS_MS)
    },
    60_000,
  )

  it.each([
    ['/health', 'of the service'],
    ['/metrics', 'of the service'],
    ['/metrics', "of the worker's metrics"],
  ])(
    'send 500 requests for %s at once on each new connection to the port %s',
    async (path, whose) => {
      const attack = { connections: 1_500, head: get(path).repeat(500), reads: false, reopens: true }
      const port = whose === 'of the service' ? {} : { port: workerPort }
      expectUnharmed(`500 requests for ${path} ${whose}`, await underAttack(service, { ...attack, ...port }))
    },
    60_000,
  )
})

describeLong('a new client', () => {
  it('is answered while a thousand addresses send requests all the time', async () => {
    const attack = { connections: 1_000, addresses: 1_000, head: get('/nothing'), again: true, reopens: true }
    const [{ residentMb }, waitsMs] = await Promise.all([underAttack(service, attack), waitsOfNewClients()])
    process.stderr.write(`new clients wait for ${waitsMs.map(Math.round).join(', ')} ms\n`)
    expect(residentMb).toBeLessThanOrEqual(MAX_RESIDENT_MB)
    expect(Math.max(...waitsMs)).toBeLessThan(MAX_WAIT_OF_NEW_CLIENTS_MS)
  }, 60_000)
})

describeLong('a process with the maximum number of connections', () => {
  it('serves its connections, closes others at once, and counts those', async () => {
    const attack = { connections: 12_000, head: get('/ready'), reopens: true }
    const { samples, residentMb } = await underAttack(service, attack)
    expect(residentMb).toBeLessThan(300)
    expect(samples.length).toBeGreaterThan(0)
    // It recovers at once.
    expect((await new Client(service.url).check('afterwards')).status).toBe(200)
    const metrics = await new Client(service.url).get('/metrics')
    expect(metrics.text).toMatch(/throttler_connections_refused_total [1-9]/)
  }, 60_000)
})
