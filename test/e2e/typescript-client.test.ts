import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { ServiceError, Throttler } from '../../clients/typescript/src/client.ts'
import { Client } from '../support/client.ts'
import { Service } from '../support/service.ts'

const TOKEN = 'a-token-that-may-check'

let service: Service
let throttler: Throttler
beforeAll(async () => {
  service = await Service.start({ env: { CHECK_TOKENS: `app:${TOKEN}`, WEB_CONCURRENCY: '1' } })
  throttler = new Throttler({ url: service.url, onFailure: 'throw', token: TOKEN, timeoutMs: 5_000 })
  const admin = new Client(service.url)
  await admin.put('two', { capacity: 2, refillTokens: 1, refillIntervalMs: 1_000_000 })
  await admin.put('blocked', { capacity: 1, refillTokens: 1, mode: 'block' })
})
afterAll(() => service.stop())

describe('the client', () => {
  it('says what the service decided, also when it denies', async () => {
    expect(await throttler.check('two', 2)).toMatchObject({ allowed: true, key: 'two', limit: 2, remaining: 0 })
    const denied = await throttler.check('two')
    expect(denied).toMatchObject({ allowed: false, code: 'quota-exceeded', 'violated-policies': ['default'] })
    expect((denied as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(900_000)
    expect(await throttler.check('blocked')).toMatchObject({ allowed: false, code: 'blocked', retryAfterMs: null })
  })

  it('asks for thousands of keys, and answers in the order asked', async () => {
    const keys = Array.from({ length: 2_500 }, (_, i) => `user:${i}`)
    const decisions = await throttler.checkAll(keys.map(key => ({ key })))
    expect(decisions.map(({ key }) => key)).toEqual(keys)
    expect(decisions.every(({ allowed }) => allowed)).toBe(true)
    expect(await throttler.checkAll([])).toEqual([])
  })

  it('tells a check of a batch that can never pass from one that was denied', async () => {
    const results = await throttler.checkAll([{ key: 'two', tokens: 3 }, { key: 'two' }])
    expect(results).toMatchObject([
      { allowed: false, code: 'tokens-exceed-capacity', status: 400 },
      { allowed: false, 'violated-policies': ['default'] },
    ])
  })

  it.each([
    ['a key that is none', { key: '' }, 'key-invalid'],
    ['tokens that never fit', { key: 'two', tokens: 3 }, 'tokens-exceed-capacity'],
    ['half a token', { key: 'two', tokens: 0.5 }, 'validation-failed'],
  ])('throws for %s, whatever a failure means', async (_, { key, tokens }: { key: string; tokens?: number }, code) => {
    const lenient = new Throttler({ url: service.url, onFailure: 'allow', token: TOKEN })
    await expect(lenient.check(key, tokens)).rejects.toMatchObject({ name: 'ServiceError', code })
  })

  it('throws for a token that the service does not know', async () => {
    const stranger = new Throttler({ url: service.url, onFailure: 'allow', token: 'wrong' })
    await expect(stranger.check('two')).rejects.toThrow(ServiceError)
  })
})

describe('a service that fails', () => {
  it('means what the owner of the client says', async () => {
    await withServer(
      (_, response) => response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad Gateway</h1>'),
      async url => {
        const check = (onFailure: 'allow' | 'deny' | 'throw') => new Throttler({ url, onFailure }).check('a')
        expect(await check('allow')).toMatchObject({ allowed: true, key: 'a', source: 'client' })
        expect(await check('deny')).toMatchObject({ allowed: false, key: 'a', source: 'client' })
        await expect(check('throw')).rejects.toThrow(/answered 502 without JSON/)
      },
    )
  })

  it('may be behind a path of a proxy', async () => {
    await withServer(
      ({ url }, response) => response.end(JSON.stringify({ allowed: url === '/limits/check' })),
      async url => {
        for (const base of [`${url}/limits`, new URL(`${url}/limits/`)]) {
          expect(await new Throttler({ url: base, onFailure: 'throw' }).check('a')).toEqual({ allowed: true })
        }
      },
    )
  })

  it('is told by its own problem', async () => {
    const problem = { status: 503, code: 'store-unavailable', title: 'Store unavailable', detail: 'try again' }
    await withServer(
      (_, response) => response.writeHead(503).end(JSON.stringify(problem)),
      async url => {
        const throttler = new Throttler({ url, onFailure: 'deny' })
        expect(await throttler.check('a')).toMatchObject({ allowed: false, failure: { code: 'store-unavailable' } })
        expect(await throttler.checkAll([{ key: 'a' }, { key: 'b' }])).toMatchObject([
          { key: 'a', source: 'client' },
          { key: 'b', source: 'client' },
        ])
      },
    )
  })

  it('may not take longer than the client waits', async () => {
    await withServer(
      () => undefined,
      async url => {
        const throttler = new Throttler({ url, onFailure: 'allow', timeoutMs: 50 })
        expect(await throttler.check('a')).toMatchObject({ allowed: true, failure: { name: 'TimeoutError' } })
      },
    )
  })

  it('may not be there at all', async () => {
    const url = await withServer(
      () => undefined,
      async url => url,
    )
    const throttler = new Throttler({ url, onFailure: 'allow' })
    expect(await throttler.check('a')).toMatchObject({ allowed: true, failure: { name: 'TypeError' } })
  })
})

async function withServer<T>(listener: RequestListener, use: (url: string) => Promise<T>): Promise<T> {
  const server: Server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
}
