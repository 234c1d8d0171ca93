import { execFile } from 'node:child_process'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { createServer as createTcpServer, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { clientKey } from '../../clients/typescript/src/index.ts'
import { Client } from '../support/client.ts'
import { describeLong } from '../support/describe-long.ts'
import { promised } from '../support/promised.ts'
import {
  describeWithHaproxy,
  describeWithNginx,
  HAPROXY,
  NGINX,
  ProxiedApplication,
  type ReverseProxy,
  STALE_TOKEN,
  type Variant,
} from '../support/proxies.ts'

describeWithNginx('behind nginx', () => itLimits(NGINX))
describeWithHaproxy('behind HAProxy', () => {
  itLimits(HAPROXY)
  describe('over HTTP/2', () => itRefusesHttp2(HAPROXY))
})

function itLimits(proxy: ReverseProxy): void {
  describe('by address', () => itLimitsByAddress(proxy))
  describe('by verified key', () => itLimitsByVerifiedKey(proxy))
  describeLong('in a burst', () => itLimitsBursts(proxy))
  describeLong('expensive requests', () => itLimitsExpensiveRequests(proxy))
  describeLong('with a stale token', () => itPassesWithStaleToken(proxy))
  describeLong('behind another proxy', () => itLimitsBehindAnotherProxy(proxy))
}

/** Recipes configure two seconds at most, and short tests five. */
const MOMENT_MS = promised(4_000)

async function expectToPassSoon(url: string): Promise<void> {
  const startedAt = performance.now()
  expect((await fetch(url)).status).toBe(200)
  expect(performance.now() - startedAt).toBeLessThan(MOMENT_MS)
}

const CAPACITY = 3
const ATTEMPTS = 12
const attempts = Array.from({ length: ATTEMPTS }, (_, i) => i)
const OWNERS: Readonly<Record<string, string>> = { 'acme-key-1': 'acme', 'acme-key-2': 'acme', 'globex-key': 'globex' }

/** More than the service accepts in the header of a request, in fields that nginx accepts. */
const LARGE_FIELDS = { 'x-a': 'a'.repeat(7_000), 'x-b': 'b'.repeat(7_000), 'x-c': 'c'.repeat(7_000) }

/** Answers `/verify` with the owner of the key in the request, and answers all other requests. */
function application(request: IncomingMessage, response: ServerResponse): void {
  const keys = request.rawHeaders.filter((_, i, fields) => fields[i - 1]?.toLowerCase() === 'x-api-key')
  if (request.url !== '/verify') return void response.end(`the application saw ${request.url} ${keys.join()}`.trim())
  if ('x-a' in request.headers) return void response.writeHead(431).end()
  const owner = OWNERS[String(request.headers['x-api-key'])]
  if (owner === undefined) response.writeHead(401, { 'www-authenticate': 'ApiKey' }).end()
  else response.writeHead(204, { 'x-subject': owner }).end()
}

/** Starts an application behind the proxy for all tests of a block. Every address, and every owner of a key, may make a few requests. */
function given(proxy: ReverseProxy, variant: Variant, env: NodeJS.ProcessEnv = {}): () => ProxiedApplication {
  let proxied: ProxiedApplication
  beforeAll(async () => {
    proxied = await start(proxy, variant, env)
  })
  afterAll(() => proxied?.stop())
  return () => proxied
}

async function start(proxy: ReverseProxy, variant: Variant, env: NodeJS.ProcessEnv): Promise<ProxiedApplication> {
  const proxied = await ProxiedApplication.start(proxy, variant, application, env)
  for (const key of ['ip:*', 'api:*']) await new Client(proxied.service.url).put(key, scarce(CAPACITY))
  return proxied
}

const scarce = (capacity: number) => ({ capacity, refillTokens: 1, refillIntervalMs: 1_000_000 })

function itLimitsByAddress(proxy: ReverseProxy): void {
  const proxied = given(proxy, 'by address')

  itCountsTheAddress(proxied)

  it('the proxy passes allowed requests, with their RateLimit fields', async () => {
    const client = new Client(proxied().service.url)
    await client.put('ip:127.0.0.1', scarce(2))
    await client.request('DELETE', '/buckets/ip%3A127.0.0.1')
    const response = await fetch(`${proxied().url}/page?q=1`)
    expect(response.status).toBe(200)
    expect(await response.text()).toBe('the application saw /page?q=1')
    expect(response.headers.get('ratelimit')).toBe('"default";r=1;t=1000')
    expect(response.headers.get('ratelimit-policy')).toBe('"default";q=2;w=2000')
  })

  it('the proxy answers a denial with 429 and its fields', async () => {
    await fetch(proxied().url)
    const response = await fetch(proxied().url)
    expect(response.status).toBe(429)
    expect(response.headers.get('ratelimit')).toMatch(/^"default";r=0;t=\d+$/)
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(900)
    expect(await response.json()).toEqual({ error: 'too many requests' })
  })

  it('the proxy passes requests during an outage, without waiting', async () => {
    await proxied().service.stop()
    await expectToPassSoon(proxied().url)
  })

  it('the proxy waits only a moment for a service that hangs', async () => {
    const sockets: Socket[] = []
    // A proxy that times out may reset its connection.
    const hanging = createTcpServer(socket => sockets.push(socket.on('error', () => undefined)))
    await once(hanging.listen(Number(new URL(proxied().service.url).port), '127.0.0.1'), 'listening')
    try {
      await expectToPassSoon(proxied().url)
      expect(sockets).toHaveLength(1)
    } finally {
      for (const socket of sockets) socket.destroy()
      hanging.close()
    }
  })
}

/** A process of its own: this one is the application too, which must not delay its answers. */
const BURST = fileURLToPath(new URL('../support/burst.mjs', import.meta.url))
const AT_ONCE = 1_000

function itLimitsBursts(proxy: ReverseProxy): void {
  const proxied = given(proxy, 'in a burst')

  it('the proxy passes no more than the limit of requests that arrive at the same moment', async () => {
    await new Client(proxied().service.url).request('DELETE', '/buckets/ip%3A127.0.0.1')
    const { stdout } = await promisify(execFile)('node', [BURST, proxied().url, String(AT_ONCE)])
    expect(JSON.parse(stdout)).toEqual({ 200: CAPACITY, 429: AT_ONCE - CAPACITY })
  })
}

function itLimitsExpensiveRequests(proxy: ReverseProxy): void {
  const proxied = given(proxy, 'expensive requests')

  it('the proxy denies requests that cost more than a lowered limit ever has', async () => {
    const client = new Client(proxied().service.url)
    const statuses = () => inTurn(() => proxied().statusFor('198.51.100.1'))
    await client.put('ip:*', scarce(30))
    expectFirstAllowed(await statuses())
    await client.put('ip:*', scarce(5))
    expect(await statuses()).toEqual(Array(ATTEMPTS).fill(429))
  })
}

/** More than an address has attempts with a wrong token, before it gets 429 for these. */
const WRONG_ATTEMPTS = 70

function itPassesWithStaleToken(proxy: ReverseProxy): void {
  const proxied = given(proxy, 'with a stale token', { CHECK_TOKENS: 'app:0123456789abcdef' })

  it('the proxy passes all requests', async () => {
    const statuses = []
    for (let i = 0; i < WRONG_ATTEMPTS; i++) statuses.push(await proxied().statusFor('198.51.100.1'))
    expect(statuses).toEqual(Array(WRONG_ATTEMPTS).fill(200))
    const stale = new Client(proxied().service.url, { authorization: `Bearer ${STALE_TOKEN}` })
    const { status } = await stale.check('a')
    expect(status).toBe(429)
  })
}

/** Each request of a connection would need a connection to the service. */
function itRefusesHttp2(proxy: ReverseProxy): void {
  const proxied = given(proxy, 'by address')

  it('the proxy refuses HTTP/2 without TLS, whose connections have many requests at a time', async () => {
    const session = connectHttp2(proxied().url)
    try {
      await expect(once(session, 'remoteSettings')).rejects.toMatchObject({ code: 'ERR_HTTP2_ERROR' })
    } finally {
      session.destroy()
    }
  })
}

function itLimitsBehindAnotherProxy(proxy: ReverseProxy): void {
  const proxied = given(proxy, 'behind another proxy')

  /** The other proxy adds the client's address to what the client sent. */
  const statusFor = async (ip: string, sent: string) =>
    (await fetch(proxied().url, { headers: { 'x-forwarded-for': `${sent}, ${ip}` } })).status

  it('the proxy counts the client of the other proxy, whatever X-Forwarded-For it sends', async () => {
    expectFirstAllowed(await inTurn(i => statusFor('198.51.100.9', `203.0.113.${i}`)))
    expect(await statusFor('198.51.100.10', '198.51.100.9')).toBe(200)
  })
}

function itLimitsByVerifiedKey(proxy: ReverseProxy): void {
  const proxied = given(proxy, 'by verified key')

  itCountsTheAddress(proxied)

  it('the proxy counts the owner of a verified key, with all keys and from all addresses', async () => {
    const statuses = await inTurn(i =>
      proxied().statusFor(`192.0.2.${i}`, { 'x-api-key': i % 2 ? 'acme-key-1' : 'acme-key-2' }),
    )
    expectFirstAllowed(statuses)
    expect(await proxied().statusFor('192.0.2.1', { 'x-api-key': 'globex-key' })).toBe(200)
  })

  it('the owner of a key cannot escape its limit with large header fields', async () => {
    await new Client(proxied().service.url).request('DELETE', '/buckets/api%3Aglobex')
    const headers = { 'x-api-key': 'globex-key', ...LARGE_FIELDS }
    expectFewAllowed(await inTurn(i => proxied().statusFor(`192.0.2.${i}`, headers)))
  })

  it.each([[['globex-key', 'made-up']], [['made-up', 'globex-key']], [['', 'globex-key']], [['globex-key', '']]])(
    'of the keys %j, the application sees only the one that was verified',
    async keys => {
      const client = new Client(proxied().service.url)
      await client.request('DELETE', '/buckets/api%3Aglobex')
      const { text } = await proxied().responseFor('198.51.100.200', { 'x-api-key': keys })
      const { body } = await client.get('/buckets/api%3Aglobex')
      const isVerified = Number(body['remaining']) < CAPACITY
      expect(text.includes('globex-key')).toBe(isVerified)
      expect(text.includes('made-up')).toBe(keys.includes('made-up') && !isVerified)
    },
  )

  it('the proxy does not accept the name of an owner from the client', async () => {
    const statuses = await inTurn(i => proxied().statusFor('192.0.2.100', { 'x-subject': `owner-${i}` }))
    expectFirstAllowed(statuses)
  })

  it('the proxy still serves a request without a verified key', async () => {
    const response = await fetch(proxied().url, { headers: { 'x-api-key': 'made-up' } })
    expect([response.status, await response.text()]).toEqual([200, 'the application saw / made-up'])
  })
}

/** On a busy machine, a proxy does not wait for a check now and then, and lets the request pass. */
const MAX_UNDECIDED = 2

/** Only the first few attempts are allowed. A proxy may also refuse the requests themselves. */
function expectFewAllowed(statuses: readonly number[]): void {
  const allowed = statuses.filter(status => status !== 429 && status !== 400)
  expect(allowed.length).toBeLessThanOrEqual(CAPACITY + MAX_UNDECIDED)
}

/** The same, and all of these few are. */
function expectFirstAllowed(statuses: readonly number[]): void {
  expect(statuses.slice(0, CAPACITY)).toEqual(Array(CAPACITY).fill(200))
  expectFewAllowed(statuses)
}

/** Makes one attempt after another. */
async function inTurn(attempt: (i: number) => Promise<number>): Promise<number[]> {
  const statuses = []
  for (const i of attempts) statuses.push(await attempt(i))
  return statuses
}

function itCountsTheAddress(started: () => ProxiedApplication): void {
  it('a client cannot escape its limit with made-up API keys', async () => {
    expectFirstAllowed(await inTurn(i => started().statusFor('198.51.100.1', { 'x-api-key': `made-up-${i}` })))
  })

  it('a client cannot escape its limit with a forged X-Forwarded-For', async () => {
    const statuses = await inTurn(i => {
      const forged = `203.0.113.${i}`
      const headers = { 'x-forwarded-for': forged, 'x-real-ip': forged, forwarded: `for=${forged}` }
      return started().statusFor('198.51.100.2', headers)
    })
    expectFirstAllowed(statuses)
  })

  it('a client cannot escape its limit with large header fields', async () => {
    expectFewAllowed(await inTurn(() => started().statusFor('198.51.100.7', LARGE_FIELDS)))
  })

  it('a client cannot escape its limit with many connections', async () => {
    await inTurn(() => started().statusFor('198.51.100.8'))
    const statuses: number[] = []
    const ask = () => started().statusFor('198.51.100.8')
    for (let i = 0; i < 10; i++) statuses.push(...(await Promise.all(Array.from({ length: 6 }, ask))))
    // On a busy machine, a proxy may not wait for a check, and lets the request pass.
    expect(statuses.filter(status => status === 429).length).toBeGreaterThan(50)
  })

  it.each([['h2c'], ['foo'], ['websocket, h2c'], [['websocket', 'foo']]])(
    'a client cannot escape its limit with a connection that it upgrades to %s',
    async upgrade => {
      const headers = { connection: 'Upgrade, close', upgrade }
      expect(await started().statusFor('198.51.100.9', headers)).not.toBe(101)
    },
  )

  it('a client cannot escape its limit with the addresses of an IPv6 /64', async () => {
    const statuses = await inTurn(i => started().statusFor(`2001:db8:1:2:${i}::${i * i}`))
    expectFirstAllowed(statuses)
    expect(await started().statusFor('2001:db8:1:3::1')).toBe(200)
  })

  it('the proxy counts an IPv4-mapped address as the IPv4 address', async () => {
    const statuses = await inTurn(i => started().statusFor(i % 2 ? '::ffff:198.51.100.3' : '198.51.100.3'))
    expectFirstAllowed(statuses)
    expect(await started().statusFor('::ffff:198.51.100.4')).toBe(200)
  })

  it.each([
    '198.51.100.5',
    '::ffff:198.51.100.6',
    '2001:db8:a:b:c:d:e:f',
    '2001:db8:a:c::1',
    '2001:db8:a:0:1:2:3:4',
    '2001:db8:b:0:1::',
    '2001:db8:0:a::',
    '2001:db8::1:0:0:1',
    '2001:db9:0:0:1::',
    '2001:dba::',
    '2001:0:0:a:b:c:d:e',
    '2001:0:0:b::1',
    '2002::1',
    '2003:0:a:b:c:d:e:f',
    '2003:0:b::1',
    '2004:0:0:0:a:b:c:d',
  ])('the proxy counts %s under the key of the client', async ip => {
    expect(await started().statusFor(ip)).toBe(200)
    const { body } = await new Client(started().service.url).get(`/buckets/${encodeURIComponent(clientKey(ip))}`)
    expect(body).toMatchObject({ remaining: CAPACITY - 1 })
  })
}
