import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { pino } from 'pino'
import { TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { StoreProxy } from '../../support/store-proxy.ts'
import { givenApp } from './given-app.ts'

const KEY_PREFIX = `t-${randomUUID()}`
const lines: Record<string, unknown>[] = []
const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
/** So slow that nothing refills between two checks. */
const BUILT_IN = { DEFAULT_REFILL_TOKENS: '1', DEFAULT_REFILL_INTERVAL_MS: '1000000' }
const given = givenApp({ logger, variables: { KEY_PREFIX, ...BUILT_IN, RATELIMIT_HEADERS: 'both' } })
const SLOW = { refillTokens: 1, refillIntervalMs: 1_000_000 }
const LIMITS = [
  { name: 'burst', capacity: 2, ...SLOW },
  { name: 'daily', capacity: 9, ...SLOW, refillIntervalMs: 2_000_000 },
]
const STORE_FAILURES = ['deny', 'allow', 'local']

/** The same service with tokens. */
let guarded: TestApp
/** The same service whose bucket store is unavailable. */
let cutOff: TestApp

beforeAll(async () => {
  const tokens = {
    CHECK_TOKENS: 'gate:secret-of-a-checker',
    ADMIN_TOKENS: 'ann:secret-of-an-admin,eve:secret-of-a-reader:read',
  }
  const options = { worker: false, logger }
  guarded = await TestApp.start(given.store, { ...options, variables: { KEY_PREFIX, ...BUILT_IN, ...tokens } })
  const urls = { REDIS_URL: 'redis://127.0.0.1:1', CONFIG_REDIS_URL: given.store.url }
  cutOff = await TestApp.start(given.store, { ...options, variables: { KEY_PREFIX, ...BUILT_IN, ...urls } })
  const policies = {
    'one:*': { capacity: 2, ...SLOW },
    'two:*': { limits: LIMITS },
    'month:*': { limits: [{ name: 'm', kind: 'quota', capacity: 2, period: 'month' }] },
    ...Object.fromEntries(['shadow', 'block', 'off'].map(mode => [`${mode}:*`, { capacity: 2, ...SLOW, mode }])),
    ...Object.fromEntries(STORE_FAILURES.map(name => [`${name}:*`, { capacity: 2, ...SLOW, onStoreFailure: name }])),
  }
  for (const [key, policy] of Object.entries(policies)) {
    expect((await given.app.client.put(key, policy)).status).toBe(201)
  }
})
afterAll(async () => {
  await guarded.close()
  await cutOff.close()
})

/** A connection, closed by the caller. */
async function connected(app: TestApp): Promise<Socket> {
  const socket = connect({ port: app.port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true }).setEncoding('utf8')
  await once(socket, 'connect')
  return socket
}

/** A connection whose next plain check passes the parser by. */
async function used(app: TestApp): Promise<Socket> {
  const socket = await connected(app)
  for (let i = 0; i < 2; i++) {
    await answersTo(socket, requestOf('{"key":"off:before"}', ['Authorization: Bearer secret-of-a-checker']))
  }
  return socket
}

function requestOf(body: string, fields: readonly string[] = []): string {
  const all = [
    'Host: localhost',
    'Content-Type: application/json',
    ...fields,
    `Content-Length: ${Buffer.byteLength(body)}`,
  ]
  return `POST /check HTTP/1.1\r\n${all.join('\r\n')}\r\n\r\n${body}`
}

/** Writes, and resolves with what arrives once it has this many answers. */
async function answersTo(socket: Socket, bytes: string, count = 1): Promise<string> {
  let received = ''
  const receive = (text: string) => {
    received += text
  }
  socket.on('data', receive).write(bytes)
  await eventually(() => expect(received.match(/\r\n\r\n[^\r]*\}(?=$|HTTP)/g)).toHaveLength(count))
  socket.off('data', receive)
  return received
}

/** An answer without what differs between two requests. */
function comparable(answer: string): string {
  return answer
    .replace(/^Date: .*$/m, 'Date')
    .replace(/(?<=request[-:]id: |urn:request:)[\w.-]+/g, 'id')
    .replace(/(?<=resetAfterMs":|t=|reset: |retryAfterMs":|retry-after: )[1-9]\d*/g, 'time')
    .replace(/(first|later)-\w+/g, 'key')
    .replace(/content-length: \d+/, 'length')
}

/** The answers to the same checks of a fresh key: as the first requests of their connections, and as later ones. */
async function bothWays(app: TestApp, times: number, bodyOf: (key: string) => string, fields: readonly string[] = []) {
  const id = randomUUID().slice(0, 8)
  const answers = { first: [] as string[], later: [] as string[] }
  const later = await used(app)
  for (let i = 0; i < times; i++) {
    const first = await connected(app)
    answers.first.push(comparable(await answersTo(first, requestOf(bodyOf(`first-${id}`), fields))))
    answers.later.push(comparable(await answersTo(later, requestOf(bodyOf(`later-${id}`), fields))))
    first.destroy()
  }
  later.destroy()
  return answers
}

describe('a later check of a connection', () => {
  it.each<[string, string]>([
    ['allowed, then denied', '{"key":"one:KEY"}'],
    ['of two limits', '{"key":"two:KEY"}'],
    ['of a calendar quota', '{"key":"month:KEY"}'],
    ['in mode shadow', '{"key":"shadow:KEY"}'],
    ['blocked', '{"key":"block:KEY"}'],
    ['not limited', '{"key":"off:KEY"}'],
    ['by a named policy', '{"key":"KEY","policy":"one:*"}'],
    ['by an unknown policy', '{"key":"KEY","policy":"none"}'],
    ['by a policy whose name is not allowed', '{"key":"KEY","policy":"a*b"}'],
    ['that only reads', '{"key":"one:KEY","tokens":0}'],
    ['of more tokens than there ever are', '{"key":"one:KEY","tokens":3}'],
    ['of a key beyond ASCII', '{"key":"one:KEY-ü\\u20ac😀"}'],
    ['of a reserved key', '{"key":"rls;KEY"}'],
    ['of a long key', `{"key":"KEY${'k'.repeat(256)}"}`],
    ['with an unknown member', '{"key":"KEY","__proto__":{}}'],
    ['with tokens of another type', '{"key":"KEY","tokens":"1"}'],
    ['without a key', '{}'],
    ['that is no JSON', '{"key":"KEY"'],
    ['with a repeated member that is nested deeply', `{"key":${'['.repeat(9)}${']'.repeat(9)},"key":"KEY"}`],
    ['with a repeated member that has many items', `{"key":[${'1,'.repeat(250)}1],"key":"KEY"}`],
    ['with a member that is repeated once', '{"key":[[]],"key":"KEY"}'],
    ['with repeated members', `{"key":"KEY"${',"tokens":1'.repeat(250)}}`],
  ])('is answered as the first one: %s', async (_what, body) => {
    const { first, later } = await bothWays(given.app, 3, key => body.replace('KEY', key))
    expect(later).toEqual(first)
  })

  it.each(STORE_FAILURES)('is answered as the first one while the store is away (onStoreFailure %s)', async policy => {
    const { first, later } = await bothWays(cutOff, 3, key => `{"key":"${policy}:${key}"}`)
    expect(later).toEqual(first)
  })

  it.each([
    ['no token', []],
    ['a token for checks', ['Authorization: Bearer secret-of-a-checker']],
    ['an admin token', ['authorization:bearer  secret-of-an-admin']],
    ['a token as password', [`Authorization: Basic ${Buffer.from('x:secret-of-a-checker').toString('base64')}`]],
    ['a token that may only read', ['Authorization: Bearer secret-of-a-reader']],
    ['a token and a foreign page', ['Authorization: Bearer secret-of-a-checker', 'Origin: http://evil.example']],
    ['two tokens', ['Authorization: Bearer secret-of-a-checker', 'Authorization: Bearer wrong']],
  ])('is admitted as the first one: %s', async (_what, fields) => {
    const { first, later } = await bothWays(guarded, 2, key => `{"key":"one:${key}"}`, fields)
    expect(later).toEqual(first)
    expect(first[0]).toMatch(fields.length > 0 && !/reader/.test(fields[0] as string) ? / 200 / : / 40[13] /)
  })

  it.each([
    ['the id of the request', ['X-Request-Id: my-id']],
    ['an id that is not allowed', ['X-Request-Id: my id']],
    ['an expectation', ['Expect: 200-ok']],
    ['a coding', ['Content-Encoding: gzip']],
    ['another media type', ['Content-Type: text/plain']],
  ])('has its fields read as those of the first one: %s', async (_what, fields) => {
    const { first, later } = await bothWays(given.app, 2, key => `{"key":"one:${key}"}`, fields)
    expect(later).toEqual(first)
  })

  it('returns its id', async () => {
    const socket = await used(given.app)
    for (let i = 0; i < 3; i++) {
      const answer = await answersTo(socket, requestOf('{"key":"block:a"}', [`X-Request-Id: id-${i}`]))
      expect(answer).toContain(`x-request-id: id-${i}\r\n`)
      expect(answer).toContain(`"instance":"urn:request:id-${i}"`)
    }
    socket.destroy()
  })

  it('is answered in the order of the requests of its connection', async () => {
    const socket = await used(given.app)
    const keys = Array.from({ length: 12 }, (_, i) => `off:${i}`)
    const requests = keys.map(key => requestOf(`{"key":"${key}"}`))
    const answers = await answersTo(socket, requests.join(''), keys.length)
    expect([...answers.matchAll(/"key":"(.*?)"/g)].map(([, key]) => key)).toEqual(keys)
    socket.destroy()
  })

  it('is answered if the client has ended its side', async () => {
    const socket = await used(given.app)
    let received = ''
    socket.on('data', text => {
      received += text
    })
    const ended = once(socket, 'end')
    socket.end(requestOf('{"key":"off:half"}'))
    await ended
    expect(received).toMatch(/^HTTP\/1\.1 200 OK\r\n.*"key":"off:half"/s)
  })
})

describe('a later check of a connection that the store answers slowly', () => {
  const KEEP_ALIVE_TIMEOUT_MS = 1_000
  let proxy: StoreProxy
  let slow: TestApp
  beforeAll(async () => {
    proxy = await StoreProxy.start(given.store.url)
    const urls = { REDIS_URL: proxy.url, CONFIG_REDIS_URL: given.store.url }
    const variables = { KEY_PREFIX, LOG_KEYS: 'plain', KEEP_ALIVE_TIMEOUT_MS: String(KEEP_ALIVE_TIMEOUT_MS), ...urls }
    slow = await TestApp.start(given.store, { worker: false, logger, variables })
  })
  afterAll(async () => {
    await slow.close()
    await proxy.stop()
  })

  it('is answered, however short the time is that a connection may be idle, and is logged as the first one; then the connection may be idle for that time', async () => {
    const sockets = [await connected(slow), await used(slow)] as const
    const held = proxy.hold('one:slow')
    const answers = sockets.map((socket, i) => answersTo(socket, requestOf(`{"key":"one:slow-${i}"}`)))
    await held
    setTimeout(() => proxy.release(), 2 * KEEP_ALIVE_TIMEOUT_MS)
    expect(await Promise.all(answers)).toEqual([expect.stringMatching(/ 200 OK/), expect.stringMatching(/ 200 OK/)])
    const slowChecks = lines.filter(({ msg, key }) => msg === 'slow check' && String(key).startsWith('one:slow'))
    expect(slowChecks).toHaveLength(2)
    const [first, later] = slowChecks.map(({ time, ms, requestId, key, suppressed, ...rest }) => rest)
    expect(later).toEqual(first)
    expect(slowChecks.map(({ key }) => key).sort()).toEqual(['one:slow-0', 'one:slow-1'])
    await Promise.all(sockets.map(socket => once(socket.resume(), 'end')))
    for (const socket of sockets) socket.destroy()
  })

  it.each([
    ['is answered', []],
    ['is answered with those that it has sent in further packets', ['drained-2', 'drained-3', 'drained-4']],
  ])('%s by a process that drains and stops, which then closes the connection', async (_, further) => {
    const app = await TestApp.start(given.store, {
      worker: false,
      logger,
      variables: { KEY_PREFIX, REDIS_URL: proxy.url, CONFIG_REDIS_URL: given.store.url },
    })
    const socket = await used(app)
    const held = proxy.hold('drained')
    const answer = answersTo(socket, requestOf('{"key":"drained"}'), 1 + further.length)
    const ended = once(socket, 'end')
    await held
    for (const key of further) {
      socket.write(requestOf(`{"key":"${key}"}`))
      // Its answer shows that the packet has arrived, too.
      await app.client.get('/ready')
    }
    app.drain()
    const closed = app.close()
    proxy.release()
    const answers = (await answer).split('HTTP/1.1 ').slice(1)
    expect(answers).toEqual(['drained', ...further].map(key => expect.stringMatching(`^200 OK[^]*"key":"${key}"`)))
    const closes = answers.map(text => /\r\nConnection: close\r\n/i.test(text))
    expect(closes).toEqual([...further.map(() => false), true])
    await ended
    await closed
    socket.destroy()
  })
})
