import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { decideByBucket } from '../../src/domain/decision.ts'
import type { Policy } from '../../src/domain/policy.ts'
import { RedisBucketStore } from '../../src/redis/bucket-store.ts'
import { BucketKeys } from '../../src/redis/keys.ts'
import { limitOf, policyOf } from '../support/policies.ts'
import { describeWithRedis, RedisServer } from '../support/redis-server.ts'

const DAY = 86_400_000

describeWithRedis('the bucket store in a real Redis', () => {
  const keys = new BucketKeys('throttler')
  let server: RedisServer
  let redis: Redis
  let store: RedisBucketStore
  beforeAll(async () => {
    server = await RedisServer.start()
    redis = new Redis(server.url)
    store = new RedisBucketStore(redis, keys)
  })
  afterAll(async () => {
    redis.disconnect()
    await server.stop()
  })

  const slow = policyOf('slow', { limits: [limitOf({ capacity: 10, refillIntervalMs: DAY })] })
  const slowPair = policyOf('pair', {
    limits: [limitOf({ capacity: 5, refillIntervalMs: DAY }), limitOf({ name: 'other', refillIntervalMs: DAY })],
  })

  async function decide(...checks: { key: string; policy: Policy; tokens: number }[]) {
    const readings = await store.check(checks)
    return checks.map((asked, i) => decideByBucket(asked, readings[i] ?? never(), 'redis'))
  }

  const expiresIn = (key: string) => redis.pttl(keys.bucket(key))

  it('decides by the clock of Redis', async () => {
    const policy = policyOf('x', { limits: [limitOf({ capacity: 1, refillTokens: 1, refillIntervalMs: DAY })] })
    const [, denied] = await decide({ key: 'clock', policy, tokens: 1 }, { key: 'clock', policy, tokens: 1 })
    expect(denied).toMatchObject({ allowed: false, remaining: 0, retryAfterMs: DAY })
    const [later] = await decide({ key: 'clock', policy, tokens: 1 })
    expect(later?.retryAfterMs).toBeGreaterThan(DAY - 10_000)
  })

  it('decides a batch of several keys, policies and tokens in its order', async () => {
    const decisions = await decide(
      { key: 'a', policy: slow, tokens: 4 },
      { key: 'a', policy: slow, tokens: 4 },
      { key: 'b', policy: slow, tokens: 10 },
      { key: 'a', policy: slow, tokens: 3 },
      { key: 'a', policy: slow, tokens: 2 },
      { key: 'a', policy: slowPair, tokens: 1 },
      { key: 'c', policy: slowPair, tokens: 5 },
      { key: 'c', policy: slow, tokens: 0 },
    )
    expect(decisions.map(({ allowed, remaining }) => [allowed, remaining])).toEqual([
      [true, 6],
      [true, 2],
      [true, 0],
      [false, 2],
      [true, 0],
      [false, 0],
      [true, 0],
      [true, 5],
    ])
  })

  it('decides an empty batch', async () => {
    expect(await store.check([])).toEqual([])
  })

  it('decides a thousand checks of as many policies at once', async () => {
    const checks = Array.from({ length: 1_000 }, (_, i) => ({
      key: `many:${i}`,
      policy: policyOf(`many:${i}`, { limits: [limitOf({ capacity: i + 1, refillIntervalMs: DAY })] }),
      tokens: 1,
    }))
    const decisions = await decide(...checks)
    expect(decisions.map(({ remaining }) => remaining)).toEqual(checks.map((_, i) => i))
  })

  it.each(['🦊 ключ', '{acme}:x y', '}{', "'; return 1 --", 'a\u00A0b', 'x'.repeat(256)])(
    'keeps the bucket of %j apart',
    async key => {
      const [first, other] = await decide({ key, policy: slow, tokens: 3 }, { key: `${key}'`, policy: slow, tokens: 1 })
      expect([first?.remaining, other?.remaining]).toEqual([7, 9])
      expect(await redis.exists(keys.bucket(key))).toBe(1)
    },
  )

  it('counts up to 2^53 − 1 units exactly, whatever Redis makes of large integers', async () => {
    const capacity = 441_650_591
    const policy = policyOf('x', { limits: [limitOf({ capacity, refillIntervalMs: 20_394_401 })] })
    const [full, denied] = await store.check([
      { key: 'units', policy, tokens: capacity },
      { key: 'units', policy, tokens: capacity },
    ])
    expect(full).toEqual({ allowed: true, spent: [Number.MAX_SAFE_INTEGER], pauseMs: 0 })
    expect(denied).toEqual({ allowed: false, spent: [Number.MAX_SAFE_INTEGER], pauseMs: 0 })
  })

  it('tells a denied check of a full bucket from an allowed one', async () => {
    expect(await store.check([{ key: 'never', policy: slow, tokens: 11 }])).toEqual([
      { allowed: false, spent: [0], pauseMs: 0 },
    ])
  })

  it('keeps a bucket until it is full, and hardly longer', async () => {
    await decide({ key: 'expiry', policy: slowPair, tokens: 3 })
    const left = await expiresIn('expiry')
    expect(left).toBeLessThanOrEqual(3 * DAY + 5)
    expect(left).toBeGreaterThan(3 * DAY - 10_000)
  })

  it('writes nothing when it reads or denies', async () => {
    await decide({ key: 'silent', policy: slow, tokens: 11 }, { key: 'silent', policy: slow, tokens: 0 })
    expect(await redis.exists(keys.bucket('silent'))).toBe(0)
    await decide({ key: 'silent', policy: slow, tokens: 10 })
    const before = await redis.getBuffer(keys.bucket('silent'))
    await decide({ key: 'silent', policy: slow, tokens: 1 }, { key: 'silent', policy: slow, tokens: 0 })
    expect(await redis.getBuffer(keys.bucket('silent'))).toEqual(before)
  })

  it('takes 16 bytes for each limit and 8 for the time', async () => {
    await decide({ key: 'size', policy: slowPair, tokens: 1 })
    expect(await redis.strlen(keys.bucket('size'))).toBe(8 + 2 * 16)
  })

  it('recovers from a bucket that lost its expiry and lies in the future', async () => {
    const bucket = keys.bucket('restored')
    await decide({ key: 'restored', policy: slow, tokens: 10 })
    const stored = (await redis.getBuffer(bucket)) ?? never()
    stored.writeDoubleBE(Date.now() + DAY)
    await redis.set(bucket, stored)
    const [denied] = await decide({ key: 'restored', policy: slow, tokens: 1 })
    expect(denied).toMatchObject({ allowed: false, retryAfterMs: DAY })
    expect(await redis.pttl(bucket)).toBeLessThanOrEqual(1)
  })
})

function never(): never {
  throw new Error('there is none')
}
