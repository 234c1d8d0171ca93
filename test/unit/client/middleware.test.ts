import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import { throttle as expressThrottle } from '../../../clients/typescript/src/express.ts'
import { throttle as fastifyThrottle } from '../../../clients/typescript/src/fastify.ts'
import {
  type CheckOptions,
  type Decision,
  type Fallback,
  type Reservation,
  type ReserveOptions,
  ServiceError,
} from '../../../clients/typescript/src/index.ts'
import { decision } from '../../support/fake-service.ts'

/** Members of the options that do not depend on the framework. */
interface Options {
  readonly tokens?: () => number
  readonly policy?: () => string | undefined | Promise<string>
  readonly countOnly?: 'failures'
  /** The text with which onDenied answers; without it there is no onDenied. */
  readonly deniedText?: string
}

interface App {
  readonly url: string
  close(): Promise<void>
}

type GivenAnswer = Decision | Fallback | Error

/** Stands in for a Throttler: records the checks, and returns the given answers in turn. */
class FakeThrottler {
  readonly asked: [key: string, tokens: number | undefined][] = []
  /** The policies that the checks name. */
  readonly policies: (string | undefined)[] = []
  readonly answers: (GivenAnswer | Promise<GivenAnswer>)[] = []
  /** The options of the reservations. */
  readonly reserved: ReserveOptions[] = []
  /** How the reservations ended. */
  readonly ends: string[] = []

  async check(key: string, { tokens, policy }: CheckOptions = {}): Promise<Decision | Fallback> {
    this.asked.push([key, tokens])
    this.policies.push(policy)
    const answer = (await this.answers.shift()) ?? decision(key)
    if (answer instanceof Error) throw answer
    return answer
  }

  async reserve(key: string, options: ReserveOptions): Promise<Reservation> {
    this.reserved.push(options)
    const decision = await this.check(key, options)
    const endAs = (end: string) => async () => {
      this.ends.push(end)
      return { status: 'none', checks: [] } as const
    }
    return {
      allowed: decision.allowed,
      decision,
      settle: endAs('settled'),
      release: endAs('released'),
    } as object as Reservation
  }
}

let throttler: FakeThrottler
let app: App
/** How many requests the application has begun to handle, with their bodies. */
let handled: number
/** The application's side of the last connection. */
let socket: Socket
beforeEach(() => {
  throttler = new FakeThrottler()
  handled = 0
})
afterEach(() => app.close())

const keyOf = ({ headers }: { headers: IncomingMessage['headers'] }) => headers['x-key'] as string | undefined
const remember = (connected: Socket) => {
  socket = connected
}

/** The routes of both applications: `/` is 200, `/failed` is 401, `/error` fails with 500, `/hanging` never answers. */
const STATUS: Readonly<Record<string, number>> = { '/': 200, '/failed': 401, '/error': 500 }

const FRAMEWORKS = {
  express: async ({ deniedText, ...options }: Options) => {
    const middleware = expressThrottle<IncomingMessage, ServerResponse>({
      throttler,
      key: keyOf,
      ...options,
      onDenied: deniedText === undefined ? undefined : (_request, response) => response.end(deniedText),
    })
    const server = createServer((request, response) => {
      middleware(request, response, err => {
        const status = err === undefined ? STATUS[request.url ?? ''] : 500
        request.resume().once('end', () => {
          handled++
          if (status !== undefined) response.writeHead(status).end(err === undefined ? 'hello' : (err as Error).message)
        })
      })
    })
    server.on('connection', remember).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      close: async () => {
        server.closeAllConnections()
        server.close()
        await once(server, 'close')
      },
    }
  },

  fastify: async ({ deniedText, ...options }: Options) => {
    const app = fastify({ forceCloseConnections: true })
    app.server.on('connection', remember)
    await app.register(fastifyThrottle, {
      throttler,
      key: keyOf,
      ...options,
      onDenied: deniedText === undefined ? undefined : (_request, reply) => reply.send(deniedText),
    })
    app.all('/*', async (request, reply) => {
      handled++
      const status = STATUS[request.url]
      if (status === undefined) return new Promise(() => undefined)
      return reply.code(status).send('hello')
    })
    return { url: await app.listen({ host: '127.0.0.1', port: 0 }), close: () => app.close() }
  },
}

const DENIED = decision('a', {
  allowed: false,
  remaining: 0,
  retryAfterMs: 2_100,
  resetAfterMs: 20_000,
  'violated-policies': ['burst'],
  code: 'quota-exceeded',
}) as Decision

const OUTAGE = { key: 'a', source: 'client', failure: new Error('unavailable') } as const

describe.each(Object.keys(FRAMEWORKS) as (keyof typeof FRAMEWORKS)[])('the middleware for %s', framework => {
  const start = async (options: Options = {}) => {
    app = await FRAMEWORKS[framework](options)
  }
  const get = (path = '/', headers: Record<string, string> = { 'x-key': 'a' }) => fetch(app.url + path, { headers })

  it('lets an allowed request pass, with RateLimit fields', async () => {
    await start({ tokens: () => 3 })
    const response = await get()
    expect([response.status, await response.text()]).toEqual([200, 'hello'])
    expect(response.headers.get('ratelimit-policy')).toBe('"default";q=10')
    expect(response.headers.get('ratelimit')).toBe('"default";r=9;t=2')
    expect(response.headers.get('retry-after')).toBeNull()
    expect(throttler.asked).toEqual([['a', 3]])
  })

  it.each([
    ['at once', () => 'plan:gold', 'plan:gold'],
    ['later', async () => 'plan:gold', 'plan:gold'],
    ['not at all', () => undefined, undefined],
  ])('names the policy that its option returns %s', async (_, policy, named) => {
    await start({ policy })
    expect((await get()).status).toBe(200)
    expect([throttler.asked, throttler.policies]).toEqual([[['a', 1]], [named]])
  })

  it('names the policy also where only failures count', async () => {
    await start({ policy: () => 'plan:gold', countOnly: 'failures' })
    await get('/failed')
    expect(throttler.policies).toEqual(['plan:gold'])
  })

  it('refuses a denied request with a problem document that does not reveal the key', async () => {
    await start()
    throttler.answers.push(DENIED)
    const response = await get()
    expect(response.status).toBe(429)
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/)
    expect(response.headers.get('retry-after')).toBe('3')
    expect(response.headers.get('ratelimit')).toBe('"default";r=0;t=3')
    expect(await response.json()).toEqual({
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      title: 'The rate limit is exceeded',
      status: 429,
      'violated-policies': ['default'],
    })
  })

  it('refuses a blocked request without Retry-After and RateLimit', async () => {
    await start()
    throttler.answers.push({ ...DENIED, code: 'blocked', source: 'policy', retryAfterMs: null })
    const response = await get()
    expect(response.status).toBe(429)
    expect([response.headers.get('retry-after'), response.headers.get('ratelimit')]).toEqual([null, null])
    expect(await response.json()).toEqual({ type: 'about:blank', title: 'Too Many Requests', status: 429 })
  })

  it('lets onDenied write the body', async () => {
    await start({ deniedText: 'come back later' })
    throttler.answers.push(DENIED)
    const response = await get()
    expect([response.status, await response.text()]).toEqual([429, 'come back later'])
    expect(response.headers.get('retry-after')).toBe('3')
  })

  it('does not limit a request without a key', async () => {
    await start()
    const response = await get('/', {})
    expect([response.status, response.headers.get('ratelimit')]).toEqual([200, null])
    expect(throttler.asked).toEqual([])
  })

  it('does what onFailure says while the service gives no decisions', async () => {
    await start()
    throttler.answers.push({ ...OUTAGE, allowed: true }, { ...OUTAGE, allowed: false }, new Error('unavailable'))
    const allowed = await get()
    expect([allowed.status, allowed.headers.get('ratelimit')]).toEqual([200, null])
    const denied = await get()
    expect([denied.status, denied.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await denied.json()).toMatchObject({ title: 'Rate limiting is unavailable', status: 503 })
    const thrown = await get()
    expect([thrown.status, await thrown.text()]).toEqual([500, expect.stringContaining('unavailable')])
  })

  describe('that counts only failures', () => {
    const reading = (members: object = {}) => decision('a', members) as Decision

    it.each([
      ['/', 'released'],
      ['/failed', 'settled'],
      ['/error', 'settled'],
    ])('reserves first, and settles after the response: %s', async (path, end) => {
      await start({ countOnly: 'failures', tokens: () => 2 })
      throttler.answers.push(reading({ remaining: 2 }))
      const response = await get(path)
      await response.text()
      expect(response.headers.get('ratelimit')).toBe('"default";r=2;t=2')
      await until(() => throttler.ends.length === 1)
      expect([throttler.asked, throttler.ends]).toEqual([[['a', 2]], [end]])
    })

    it('holds the tokens of a request for ten seconds, and for as long as it is in progress', async () => {
      await start({ countOnly: 'failures', tokens: () => 2 })
      await get()
      expect(throttler.reserved).toEqual([{ tokens: 2, policy: undefined, ttlMs: 10_000, extend: true }])
    })

    it('refuses a request if too little is left', async () => {
      await start({ countOnly: 'failures' })
      throttler.answers.push(DENIED)
      const response = await get('/failed')
      expect([response.status, response.headers.get('retry-after'), await response.text()]).toEqual([
        429,
        '3',
        expect.stringContaining('quota-exceeded'),
      ])
      expect([handled, throttler.ends]).toEqual([0, []])
    })

    it('refuses a request of a key that has too many reservations', async () => {
      await start({ countOnly: 'failures' })
      const tooMany = { status: 429, code: 'too-many-reservations', title: 'T', detail: 'D' }
      throttler.answers.push({ allowed: false, key: 'a', source: 'client', failure: new ServiceError(tooMany) })
      const response = await get()
      expect([response.status, response.headers.get('retry-after')]).toEqual([429, '1'])
      expect(await response.json()).toMatchObject({ title: 'Too Many Requests' })
    })

    it('refuses a request of a blocked key', async () => {
      await start({ countOnly: 'failures' })
      throttler.answers.push({ ...DENIED, code: 'blocked', source: 'policy', retryAfterMs: null })
      expect((await get()).status).toBe(429)
      expect(throttler.ends).toEqual([])
    })

    it('counts a request whose client does not wait for the response', async () => {
      await start({ countOnly: 'failures' })
      const abort = new AbortController()
      const request = fetch(`${app.url}/hanging`, { headers: { 'x-key': 'a' }, signal: abort.signal })
      await until(() => throttler.asked.length === 1)
      abort.abort()
      await request.catch(() => undefined)
      await until(() => throttler.ends.length === 1)
      expect(throttler.ends).toEqual(['settled'])
    })

    const POST =
      'POST /hanging HTTP/1.1\r\nhost: a\r\nx-key: a\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}'
    const send = (text: string) => {
      const client = connect(Number(new URL(app.url).port), '127.0.0.1')
      client.write(text)
      return client
    }

    it('counts a request whose client leaves once its body was read', async () => {
      await start({ countOnly: 'failures' })
      const client = send(POST)
      await until(() => handled === 1)
      client.resetAndDestroy()
      await until(() => throttler.ends.length === 1)
      expect(throttler.ends).toEqual(['settled'])
    })

    it('counts a request whose client leaves before it is judged', async () => {
      await start({ countOnly: 'failures' })
      let judge = (_reading: Decision) => {}
      throttler.answers.push(
        new Promise(resolve => {
          judge = resolve
        }),
      )
      const client = send(POST)
      await until(() => throttler.asked.length === 1)
      client.resetAndDestroy()
      await closed(socket)
      judge(reading())
      await until(() => throttler.ends.length === 1)
      expect(throttler.ends).toEqual(['settled'])
    })

    it('counts each of several requests that a client sends at once before it leaves', async () => {
      await start({ countOnly: 'failures' })
      const client = send(POST.repeat(20))
      await until(() => handled === 20)
      client.resetAndDestroy()
      await until(() => throttler.ends.length === 20)
      expect(throttler.ends).toEqual(Array(20).fill('settled'))
    })

    it('counts a request once, even if its connection closes', async () => {
      await start({ countOnly: 'failures' })
      const client = send(POST.replace('/hanging', '/failed'))
      await until(() => throttler.ends.length === 1)
      client.resetAndDestroy()
      await closed(socket)
      expect(throttler.ends).toEqual(['settled'])
    })
  })
})

it('the plugin for Fastify passes a FastifyRequest to `key`, and limits only the scope in which it is registered', async () => {
  const server = fastify()
  app = { url: '', close: () => server.close() }
  server.register(async scope => {
    await scope.register(fastifyThrottle<FastifyRequest, FastifyReply>, {
      throttler,
      key: request => `route:${request.routeOptions.url}`,
    })
    scope.get('/limited', async () => 'hello')
  })
  server.get('/free', async () => 'hello')
  await server.inject('/limited')
  await server.inject('/free')
  expect(throttler.asked).toEqual([['route:/limited', 1]])
})

/** Unlike `once`, it accepts a connection that was reset. */
async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise(resolve => socket.once('close', resolve))
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise(resolve => setImmediate(resolve))
}
