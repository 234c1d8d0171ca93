import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { ServiceError, Throttler } from '../../clients/typescript/src/index.ts'
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
  await admin.put('ten', { capacity: 10, refillTokens: 1, refillIntervalMs: 1_000_000 })
  await admin.put('group:*', { capacity: 3, refillTokens: 1, refillIntervalMs: 1_000_000 })
  await admin.put('held:*', { capacity: 10, refillTokens: 1, refillIntervalMs: 1_000_000 })
  await admin.put('blocked', { capacity: 1, refillTokens: 1, mode: 'block' })
})
afterAll(() => service.stop())

describe('the client', () => {
  it('returns the decision of the service, including a denial', async () => {
    expect(await throttler.check('two', 2)).toMatchObject({ allowed: true, key: 'two', limit: 2, remaining: 0 })
    const denied = await throttler.check('two')
    expect(denied).toMatchObject({ allowed: false, code: 'quota-exceeded', 'violated-policies': ['default'] })
    expect((denied as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(900_000)
    expect(await throttler.check('blocked')).toMatchObject({ allowed: false, code: 'blocked', retryAfterMs: null })
  })

  it('checks thousands of keys, and returns the decisions in the order asked', async () => {
    const keys = Array.from({ length: 2_500 }, (_, i) => `user:${i}`)
    const decisions = await throttler.checkMany(keys.map(key => ({ key })))
    expect(decisions.map(({ key }) => key)).toEqual(keys)
    expect(decisions.every(({ allowed }) => allowed)).toBe(true)
    expect(await throttler.checkMany([])).toEqual([])
  })

  it('reports why a check of a batch cannot be decided', async () => {
    const failures: unknown[] = []
    const lenient = clientThat('allow', failures)
    expect(await lenient.checkMany([{ key: 'two', tokens: 3 }, { key: 'two' }])).toMatchObject([
      { allowed: true, source: 'client', failure: { code: 'tokens-exceed-capacity', status: 400 } },
      { allowed: false, 'violated-policies': ['default'] },
    ])
    expect(failures).toMatchObject([{ code: 'tokens-exceed-capacity' }])
  })

  it('returns the same decision for a check, whether it shared a call or not', async () => {
    const alone = await throttler.check('blocked')
    const [shared] = await throttler.checkMany([{ key: 'blocked' }, { key: 'two', tokens: 0 }])
    expect(shared).toEqual(alone)
  })

  it('keeps the order of checks of one key', async () => {
    const decisions = await Promise.all(Array.from({ length: 64 }, () => throttler.check('ten')))
    expect(decisions.map(({ allowed }) => allowed)).toEqual(Array.from({ length: 64 }, (_, i) => i < 10))
  })

  it('returns the decisions of other checks if one key is invalid', async () => {
    const results = await Promise.allSettled(['user:a', 'bad\u0000', 'user:b'].map(key => throttler.check(key)))
    expect(results).toMatchObject([
      { value: { allowed: true, key: 'user:a', source: 'redis' } },
      { reason: { name: 'ServiceError', code: 'key-invalid' } },
      { value: { allowed: true, key: 'user:b', source: 'redis' } },
    ])
  })

  it('is told which policy decides, also by each of the checks that share a call', async () => {
    expect(await throttler.check('customer', { tokens: 2, policy: 'ten' })).toMatchObject({
      policy: 'ten',
      remaining: 8,
    })
    const names = ['ten', undefined, 'plan:gone', 'a*b']
    const results = await Promise.allSettled(names.map(policy => throttler.check('customer', { tokens: 0, policy })))
    expect(results).toMatchObject([
      { value: { policy: 'ten', remaining: 8 } },
      { value: { policy: 'default' } },
      { reason: { name: 'ServiceError', code: 'policy-unknown' } },
      { reason: { name: 'ServiceError', code: 'validation-failed' } },
    ])
  })

  it('decides checks of different keys together: all are allowed, or nothing is spent', async () => {
    const checks = [{ key: 'group:a' }, { key: 'group:b', tokens: 2 }]
    expect(await throttler.checkAll(checks)).toMatchObject({
      allowed: true,
      key: 'group:b',
      remaining: 1,
      results: [{ allowed: true, key: 'group:a', remaining: 2 }, { key: 'group:b' }],
    })
    const denied = await throttler.checkAll(checks)
    expect(denied).toMatchObject({
      allowed: false,
      key: 'group:b',
      code: 'quota-exceeded',
      results: [
        { allowed: true, remaining: 2 },
        { allowed: false, 'violated-policies': ['default'] },
      ],
    })
    expect(await throttler.check('group:a', 0)).toMatchObject({ remaining: 2 })
  })

  it('holds tokens until they are settled', async () => {
    const reservation = await throttler.reserve('held:a', { tokens: 6 })
    expect(reservation).toMatchObject({ allowed: true, decision: { key: 'held:a', remaining: 4, source: 'redis' } })
    expect(await throttler.check('held:a', 5)).toMatchObject({ allowed: false, remaining: 4 })
    expect(await reservation.settle(2)).toEqual({
      status: 'settled',
      checks: [{ key: 'held:a', tokens: 2, charged: 2 }],
    })
    expect(await throttler.check('held:a', 0)).toMatchObject({ remaining: 8 })
    await (await throttler.reserve('held:a', { tokens: 8 })).release()
    expect(await throttler.check('held:a', 0)).toMatchObject({ remaining: 8 })
  })

  it('holds tokens of several keys together, and settles an amount for each', async () => {
    const reservation = await throttler.reserveAll([{ key: 'held:b', tokens: 6 }, { key: 'held:c' }])
    expect(reservation.decision).toMatchObject({ key: 'held:b', results: [{ remaining: 4 }, { remaining: 9 }] })
    const denied = await throttler.reserveAll([{ key: 'held:b', tokens: 5 }, { key: 'held:c' }])
    expect(denied).toMatchObject({ allowed: false, decision: { key: 'held:b', code: 'quota-exceeded' } })
    expect(await throttler.check('held:c', 0)).toMatchObject({ remaining: 9 })
    const amounts = [
      { key: 'held:b', tokens: 8 },
      { key: 'held:c', tokens: 0 },
    ]
    expect(await reservation.settle(amounts)).toMatchObject({
      status: 'settled',
      checks: [{ charged: 8 }, { charged: 0 }],
    })
    expect(
      await throttler.checkMany([
        { key: 'held:b', tokens: 0 },
        { key: 'held:c', tokens: 0 },
      ]),
    ).toMatchObject([{ remaining: 2 }, { remaining: 10 }])
  })

  it('extends a reservation while work goes on, and no longer once it is settled', async () => {
    const extended = await throttler.reserve('held:d', { tokens: 3, ttlMs: 4_000, extend: true })
    await throttler.reserve('held:d', { tokens: 4, ttlMs: 1_000, onExpiry: 'release' })
    await throttler.reserve('held:d', { tokens: 1, ttlMs: 1_000 })
    await sleep(5_000)
    expect(await throttler.check('held:d', 0)).toMatchObject({ remaining: 6 })
    expect(await extended.settle(0)).toMatchObject({ status: 'settled' })
    expect(await throttler.check('held:d', 0)).toMatchObject({ remaining: 9 })
  })

  it('says why a reservation cannot be made or settled', async () => {
    const failures: unknown[] = []
    const lenient = clientThat('deny', failures)
    expect(await lenient.reserve('held:e', { tokens: 11 })).toMatchObject({
      allowed: false,
      decision: { source: 'client' },
    })
    expect(await lenient.reserve('held:e', { tokens: 1, ttlMs: 1 })).toMatchObject({ allowed: false })
    const reservation = await lenient.reserve('held:e', { tokens: 1 })
    expect(await reservation.settle(-1)).toMatchObject({ status: 'failed' })
    expect(await reservation.settle(1)).toMatchObject({ status: 'settled' })
    expect(failures).toMatchObject([
      { code: 'tokens-exceed-capacity' },
      { code: 'validation-failed', errors: [{ path: '/ttlMs' }] },
      { code: 'validation-failed', errors: [{ path: '/tokens' }] },
    ])
  })

  const WRONG: [string, { key: string; tokens?: number }, string][] = [
    ['an invalid key', { key: '' }, 'key-invalid'],
    ['more tokens than the limit holds', { key: 'two', tokens: 3 }, 'tokens-exceed-capacity'],
    ['half a token', { key: 'two', tokens: 0.5 }, 'validation-failed'],
  ]
  it.each(WRONG)('does what onFailure says for %s', async (_, { key, tokens }, code) => {
    const failures: unknown[] = []
    expect(await clientThat('allow', failures).check(key, tokens)).toMatchObject({ allowed: true, failure: { code } })
    expect(await clientThat('deny', failures).check(key, tokens)).toMatchObject({ allowed: false, failure: { code } })
    await expect(clientThat('throw', failures).check(key, tokens)).rejects.toMatchObject({ name: 'ServiceError', code })
    expect(failures).toMatchObject([{ code }, { code }, { code }])
  })

  it.each([
    ['a wrong token', { token: 'wrong' }, { status: 401, code: 'unauthorized' }],
    ['a wrong path', { path: '/limits' }, { status: 404, code: 'not-found' }],
  ])('does what onFailure says for %s', async (_, { token, path }: { token?: string; path?: string }, failure) => {
    const failures: unknown[] = []
    const options = { url: service.url + (path ?? ''), token: token ?? TOKEN, timeoutMs: 5_000 }
    const stranger = new Throttler({ ...options, onFailure: 'allow', onError: err => failures.push(err) })
    expect(await stranger.check('two')).toMatchObject({ allowed: true, source: 'client' })
    expect(failures).toMatchObject([failure])
    await expect(new Throttler({ ...options, onFailure: 'throw' }).check('two')).rejects.toThrow(ServiceError)
  })
})

function clientThat(onFailure: 'allow' | 'deny' | 'throw', failures: unknown[]): Throttler {
  const onError = (failure: unknown) => failures.push(failure)
  return new Throttler({ url: service.url, onFailure, token: TOKEN, timeoutMs: 5_000, onError })
}
