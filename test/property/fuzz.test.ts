import { readFileSync } from 'node:fs'
import { METHODS } from 'node:http'
import { connect } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import * as fc from 'fast-check'
import { Client } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { residentMegabytes } from '../support/processes.ts'
import { PROPERTY_TIMEOUT_MS, runs } from '../support/property-runs.ts'
import { Service } from '../support/service.ts'

const TOKENS = [undefined, 'wrong', 'secret-of-a-caller', 'secret-of-a-reader', 'secret-of-an-admin']
/** V8 lets its heap grow for a while before it collects garbage. A leak in every request would exceed this. */
const MOST_GROWTH_MB = 128
const PATIENCE_MS = 30_000

const document = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8'))
const OPERATIONS = Object.entries<object>(document.paths).flatMap(([path, methods]) =>
  Object.keys(methods).map(method => [method.toUpperCase(), path] as const),
)
const PAGES = [
  '/console',
  '/console/{key}',
  '/admin/queues',
  '/admin/queues/{key}',
  '/docs/{key}',
  '/openapi.json',
  '/',
].map(path => ['GET', path] as const)

let service: Service
let client: Client
let port: number
let front: number
beforeAll(async () => {
  const env = {
    WEB_CONCURRENCY: '1',
    // A busy machine must not look like an unavailable store.
    REDIS_TIMEOUT_MS: '20000',
    ADMIN_TOKENS: 'ann:secret-of-an-admin,eve:secret-of-a-reader:read',
    CHECK_TOKENS: 'gate:secret-of-a-caller',
  }
  service = await Service.start({ env })
  port = Number(new URL(service.url).port)
  client = new Client(service.url)
  await eventually(async () => expect((await client.get('/ready')).status).toBe(200))
  front = service.pidsOf('throttler front')[0] ?? 0
})
afterAll(() => service.stop())

const octets = (maxLength: number) => fc.uint8Array({ maxLength }).map(bytes => Buffer.from(bytes).toString('latin1'))

/** Visible ASCII, which a parser accepts: no control characters, no spaces. */
const visible = (maxLength: number) =>
  fc.array(fc.integer({ min: 0x21, max: 0x7e }), { maxLength }).map(codes => String.fromCharCode(...codes))

const rarely = <T, U>(often: fc.Arbitrary<T>, seldom: fc.Arbitrary<U>) =>
  fc.oneof({ weight: 24, arbitrary: often }, { weight: 1, arbitrary: seldom })

const segment = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }).map(text => encodeURIComponent(text.toWellFormed())),
  visible(20),
  fc.constantFrom('%', '%ff', '%00', '..', '.', '%2e%2e', '%2F', '*', '__proto__', 'x'.repeat(2_000), '{}', 'user%3A1'),
)

const operation = fc
  .tuple(
    fc.constantFrom(...OPERATIONS, ...PAGES),
    segment,
    fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: visible(30) }),
  )
  .map(([[method, path], inside, query]) => ({
    method,
    target: path.replace(/\{\w+\}/, inside) + (query === null ? '' : `?${query}`),
  }))

const json = fc.oneof(
  fc.json(),
  fc.record({ key: fc.anything(), tokens: fc.anything() }).map(value => JSON.stringify(value, withoutBigInt)),
  fc.constantFrom('', '{', 'null', '{"__proto__":{"key":"x"}}', '{"constructor":{"prototype":{}}}', '\ufeff{}'),
  fc.constantFrom(
    '['.repeat(20_000),
    '{"key":"\\ud800"}',
    '{"key":1e999}',
    '{"key":"a","key":"b"}',
    '{"key":"a\\u0000"}',
  ),
  octets(200),
)

const header = fc.tuple(
  fc.constantFrom(
    'Prefer',
    'If-Match',
    'If-None-Match',
    'X-Change-Reason',
    'X-Request-Id',
    'Idempotency-Key',
    'Origin',
    'Expect',
    'Cookie',
    'Range',
    'X-Forwarded-For',
    'Content-Encoding',
    'x',
  ),
  fc.oneof(
    rarely(visible(30), octets(30)),
    fc.constantFrom('wait=1', '"1"', '*', 'gzip', '100-continue', 'x'.repeat(5_000)),
  ),
)

const request = fc
  .record({
    operation,
    method: rarely(fc.constant(undefined), rarely(fc.constantFrom(...METHODS), octets(6))),
    target: rarely(fc.constant(undefined), octets(40)),
    version: rarely(fc.constant('HTTP/1.1'), fc.constantFrom('HTTP/1.0', 'HTTP/2.0', 'HTTP/9', '')),
    token: fc.constantFrom(...TOKENS),
    type: rarely(
      fc.constant('application/json'),
      fc.oneof(octets(20), fc.constantFrom('text/plain', 'application/x-ndjson')),
    ),
    headers: fc.array(header, { maxLength: 4 }),
    body: json,
    framing: rarely(fc.constantFrom('length', 'length', 'chunked'), fc.constantFrom('too short', 'both', 'none')),
  })
  .map(asBytes)

type Shape = {
  operation: { method: string; target: string }
  method: string | undefined
  target: string | undefined
  version: string
  token: string | undefined
  type: string
  headers: [string, string][]
  body: string
  framing: string
}

function asBytes({
  operation,
  method = operation.method,
  target = operation.target,
  version,
  token,
  type,
  headers,
  body,
  framing,
}: Shape): Buffer {
  const fields = headers.map(([name, value]) => `${name}: ${value}`)
  if (token !== undefined) fields.push(`authorization: Bearer ${token}`)
  const length = Buffer.byteLength(body, 'latin1')
  if (framing === 'length' || framing === 'both') fields.push(`content-length: ${length}`)
  if (framing === 'too short') fields.push(`content-length: ${length + 10}`)
  if (framing === 'chunked' || framing === 'both') fields.push('transfer-encoding: chunked')
  const head = [
    `${method} ${target} ${version}`,
    'host: localhost',
    'connection: close',
    `content-type: ${type}`,
    ...fields,
  ]
  const framed = framing === 'chunked' ? `${length.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${framed}`, 'latin1')
}

function withoutBigInt(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}

/** The status lines of all responses that arrive before the connection ends. */
async function statusesOf(bytes: Buffer): Promise<string[]> {
  const socket = connect({ host: '127.0.0.1', port })
  socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('the service neither answers nor hangs up')))
  socket.end(bytes)
  const answer = await buffer(socket).catch((err: NodeJS.ErrnoException) => {
    if (err.code === 'ECONNRESET' || err.code === 'EPIPE') return Buffer.alloc(0)
    throw err
  })
  return answer.toString('latin1').match(/^HTTP\/1\.1 \d{3}/gm) ?? []
}

/** The service's log lines of level warn or above. */
function complaints(): string[] {
  return service.output.filter(line => /"level":[4-6]0/.test(line))
}

describe('any request, with any token or none,', () => {
  it(
    'causes no 5xx other than 505, no crash, no logged warning and no memory growth',
    async () => {
      for (let i = 0; i < 200; i++)
        await statusesOf(Buffer.from('GET /docs HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'))
      const before = residentMegabytes(front)
      const saidAtStart = complaints()
      const reached = new Set<string>()
      await fc.assert(
        fc.asyncProperty(fc.array(request, { minLength: 20, maxLength: 20 }), async requests => {
          const answers = await Promise.all(requests.map(statusesOf))
          for (const status of answers.flat()) reached.add(status.slice(-3))
          expect(answers.flat().filter(status => / 5(?!05)\d\d$/.test(status))).toEqual([])
        }),
        runs(60, 3_000),
      )
      for (const status of ['200', '400', '401', '403', '404', '405']) expect(reached).toContain(status)
      expect(service.pidsOf('throttler front')).toEqual([front])
      expect(complaints()).toEqual(saidAtStart)
      expect(residentMegabytes(front) - before).toBeLessThan(MOST_GROWTH_MB)
      expect((await client.get('/health')).body.status).toBe('ok')
    },
    PROPERTY_TIMEOUT_MS * 4,
  )
})
