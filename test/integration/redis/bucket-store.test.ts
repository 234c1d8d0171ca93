import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { Redis } from 'ioredis'
import { decideByBucket } from '../../../src/domain/decision.ts'
import type { Policy } from '../../../src/domain/policy.ts'
import { RedisBucketStore } from '../../../src/redis/buckets/redis-bucket-store.ts'
import { BucketKeys } from '../../../src/redis/keys.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { limitOf, policyOf, quotaOf } from '../../support/policies.ts'
import { RedisServer } from '../../support/redis-server.ts'

const DAY = 86_400_000
/** How much longer than a bucket its key is kept. */
const EXPIRY_SLACK_MS = 5

describeWithRedis('the bucket store in a real Redis', () => {
  const keys = new BucketKeys('throttler')
  let server: RedisServer
  let redis: Redis
  let store: RedisBucketStore
  let malformed: string[]
  let clocksDiffered: number
  beforeEach(() => {
    malformed = []
    clocksDiffered = 0
  })
  beforeAll(async () => {
    server = await RedisServer.start()
    redis = new Redis(server.url)
    store = new RedisBucketStore(redis, keys, {
      malformedBucket: key => malformed.push(key),
      damagedReservation: damage => expect(damage).toBe('none'),
      expired: () => undefined,
      clocksDiffered: () => clocksDiffered++,
    })
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

  it('decides a batch of checks with quotas and without', async () => {
    const { timeZone: _, anchor: __, ...daily } = quotaOf({ name: 'daily', period: 'hour' })
    const both = policyOf('both', { limits: [limitOf({ capacity: 5, refillIntervalMs: DAY }), quotaOf(), daily] })
    const decisions = await decide(
      { key: 'quota', policy: both, tokens: 4 },
      { key: 'bucket', policy: slow, tokens: 1 },
      { key: 'quota', policy: both, tokens: 2 },
      { key: 'bucket', policy: slow, tokens: 1 },
    )
    expect(decisions.map(({ states }) => states.map(({ remaining }) => remaining))).toEqual([
      [1, 6, 6],
      [9],
      [1, 6, 6],
      [8],
    ])
    expect(decisions[0]?.states.map(({ periodMs = 0 }) => Math.round(periodMs / DAY))).toEqual([
      0,
      expect.any(Number),
      0,
    ])
    expect(await expiresIn('quota')).toBeGreaterThan(decisions[0]?.states[1]?.resetAfterMs ?? 0)
  })

  describe('asked by a process whose clock differs', () => {
    afterEach(() => {
      jest.restoreAllMocks()
    })
    const quota = policyOf('quota', { limits: [quotaOf({ period: 'day', anchor: '2026-01-01T00:00' })] })
    const ahead = (ms: number) => {
      const nowMs = Date.now() + ms
      jest.spyOn(Date, 'now').mockReturnValue(nowMs)
    }

    it.each([-DAY, -60_000, 60_000, DAY])('by %d ms, counts a quota in the period of its own clock', async ms => {
      const key = `differs by ${ms}`
      const [before] = await decide({ key, policy: quota, tokens: 3 })
      ahead(ms)
      const fresh = policyOf('quota', { limits: [quotaOf({ period: 'day', anchor: '2026-01-01T00:00' })] })
      const [after] = await decide({ key, policy: fresh, tokens: 3 })
      expect([before?.remaining, after?.remaining]).toEqual([7, 4])
      expect((before?.resetAfterMs ?? 0) - (after?.resetAfterMs ?? 0)).toBeLessThan(10_000)
    })

    it('by several periods, reports it once and gives no reading of a quota, spends nothing, and decides the other checks', async () => {
      ahead(-5 * DAY)
      const fresh = policyOf('quota', { limits: [quotaOf({ period: 'day', anchor: '2026-01-01T00:00' })] })
      const readings = await store.check([
        { key: 'far', policy: fresh, tokens: 1 },
        { key: 'far', policy: fresh, tokens: 0 },
        { key: 'near', policy: slow, tokens: 1 },
      ])
      expect(readings).toMatchObject([undefined, undefined, { allowed: true }])
      expect(await redis.exists(keys.bucket('far'))).toBe(0)
      expect(clocksDiffered).toBe(1)
    })
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

  it('counts up to 2^53 − 1 units exactly, despite how Redis formats large integers', async () => {
    const capacity = 441_650_591
    const policy = policyOf('x', { limits: [limitOf({ capacity, refillIntervalMs: 20_394_401 })] })
    const [full, denied] = await store.check([
      { key: 'units', policy, tokens: capacity },
      { key: 'units', policy, tokens: capacity },
    ])
    expect(full).toEqual({ allowed: true, spent: [Number.MAX_SAFE_INTEGER], refillPausedMs: 0 })
    expect(denied).toEqual({ allowed: false, spent: [Number.MAX_SAFE_INTEGER], refillPausedMs: 0 })
  })

  it('distinguishes a denied check of a full bucket from an allowed one', async () => {
    expect(await store.check([{ key: 'never', policy: slow, tokens: 11 }])).toEqual([
      { allowed: false, spent: [0], refillPausedMs: 0 },
    ])
  })

  it('keeps a bucket until it is full, and at most 5 ms longer', async () => {
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

  it('stores 16 bytes for each limit and 8 for the time', async () => {
    await decide({ key: 'size', policy: slowPair, tokens: 1 })
    expect(await redis.strlen(keys.bucket('size'))).toBe(8 + 2 * 16)
  })

  it('recovers from a bucket that lost its expiry and whose time is in the future', async () => {
    const bucket = keys.bucket('restored')
    await decide({ key: 'restored', policy: slow, tokens: 10 })
    const stored = (await redis.getBuffer(bucket)) ?? never()
    stored.writeDoubleBE(Date.now() + DAY)
    await redis.set(bucket, stored)
    const [denied] = await decide({ key: 'restored', policy: slow, tokens: 1 })
    expect(denied).toMatchObject({ allowed: false, retryAfterMs: DAY })
    expect(await redis.pttl(bucket)).toBeLessThanOrEqual(1 + EXPIRY_SLACK_MS)
  })

  describe('with a malformed bucket', () => {
    const bucketOf = (...numbers: [write: 'writeDoubleBE' | 'writeUInt32BE' | 'writeUInt8', value: number][]) => {
      const bytes = Buffer.alloc(256)
      const end = numbers.reduce((at, [write, value]) => bytes[write](value, at), 0)
      return bytes.subarray(0, end)
    }
    const id = slow.limits[0]?.id ?? 0
    const entry = (spent: number, unit = DAY) =>
      [
        ['writeUInt32BE', id],
        ['writeUInt32BE', unit],
        ['writeDoubleBE', spent],
      ] as const
    const time = (ms: number) => ['writeDoubleBE', ms] as const
    const head = (...[version, own, others]: number[]) =>
      [
        ['writeUInt32BE', 0],
        ['writeUInt8', version ?? 2],
        ['writeUInt8', own ?? 1],
        ['writeUInt8', others ?? 0],
        ['writeUInt8', 0],
        ['writeDoubleBE', Date.now() + DAY],
      ] as const
    type Numbers = Parameters<typeof bucketOf>
    const told = (numbers: readonly (readonly [string, number])[]) => bucketOf(...(numbers as Numbers))

    const values: Record<string, () => Buffer> = {
      'of 1 byte': () => Buffer.from('x'),
      'of 0 bytes': () => Buffer.alloc(0),
      'of only a time': () => told([time(Date.now())]),
      'that is cut off': () => told([time(Date.now()), ...entry(5)]).subarray(0, 20),
      'with eight additional bytes': () => told([time(Date.now()), ...entry(5), time(0)]),
      'spent from at NaN': () => told([time(Number.NaN), ...entry(5)]),
      'spent from at infinity': () => told([time(Number.POSITIVE_INFINITY), ...entry(5)]),
      'spent from at minus infinity': () => told([time(Number.NEGATIVE_INFINITY), ...entry(5, 1)]),
      'with NaN spent': () => told([time(Date.now()), ...entry(Number.NaN)]),
      'with a negative number spent': () => told([time(Date.now()), ...entry(-5)]),
      'with infinity spent': () => told([time(Date.now()), ...entry(Number.POSITIVE_INFINITY)]),
      'with a fraction of a unit spent': () => told([time(Date.now()), ...entry(1.5, 1)]),
      'counted in units of 0': () => told([time(Date.now()), ...entry(5, 0)]),
      'spent from in the far future': () => told([time(2 ** 53), ...entry(5)]),
      'with a head that was full before it was spent from': () =>
        told([time(Date.now() + 2 * DAY), ...head(2), ...entry(5)]),
      'whose other entry was spent from last': () =>
        told([time(Date.now()), ...head(2, 1, 1), ...entry(5), ...entry(5), time(2 ** 54), time(2 ** 54)]),
      'of a later version': () => told([time(Date.now()), ...head(3), ...entry(5)]),
      'with no entry of its own': () => told([time(Date.now()), ...head(2, 0), ...entry(5)]),
      'with fewer entries than its head states': () => told([time(Date.now()), ...head(2, 2), ...entry(5)]),
      'with missing entries of other limits': () => told([time(Date.now()), ...head(2, 1, 3), ...entry(5)]),
      'that is text': () => Buffer.from('a text of exactly 24 chars.'.slice(0, 24)),
    }

    async function expectFullAndHarmless(): Promise<void> {
      const decisions = await decide(
        { key: 'well', policy: slow, tokens: 1 },
        { key: 'bad', policy: slow, tokens: 4 },
        { key: 'bad', policy: slowPair, tokens: 0 },
        { key: 'well', policy: slow, tokens: 1 },
        { key: 'bad', policy: slow, tokens: 7 },
      )
      expect(decisions.map(({ allowed, remaining, retryAfterMs }) => [allowed, remaining, retryAfterMs])).toEqual([
        [true, 9, 0],
        [true, 6, 0],
        [true, 1, 0],
        [true, 8, 0],
        [false, 6, expect.any(Number)],
      ])
      expect(malformed).toEqual(['bad'])
    }

    beforeEach(() => redis.unlink(keys.bucket('well'), keys.bucket('bad')))

    it.each(Object.entries(values))(
      '%s counts it as full, reports it, and decides the other checks',
      async (_, value) => {
        await redis.set(keys.bucket('bad'), value(), 'PX', DAY)
        await expectFullAndHarmless()
      },
    )

    it.each(['rpush', 'sadd'] as const)(
      'of another type (%s) counts it as full, reports it, and decides the other checks',
      async add => {
        await redis[add](keys.bucket('bad'), 'x')
        await expectFullAndHarmless()
      },
    )

    it('does not confuse it with a bucket that may not be read, which never counts as full', async () => {
      await decide({ key: 'bad', policy: slow, tokens: 10 })
      await redis.acl('SETUSER', 'blind', 'on', 'nopass', '~*', '+@all', '-get')
      const blind = new Redis(server.url, { username: 'blind', password: 'any', lazyConnect: true })
      await blind.connect()
      const check = new RedisBucketStore(blind, keys).check([{ key: 'bad', policy: slow, tokens: 1 }])
      await expect(check.finally(() => blind.disconnect())).rejects.toThrow(/can't run this command|NOPERM/)
    })

    it('reports it for each check until one spends', async () => {
      await redis.set(keys.bucket('bad'), 'x')
      await decide({ key: 'bad', policy: slow, tokens: 0 }, { key: 'bad', policy: slow, tokens: 11 })
      expect(malformed).toEqual(['bad', 'bad'])
    })
  })

  describe('with limits that the deciding policy does not have', () => {
    const limitsOf = (...names: string[]) =>
      policyOf(names.join(), {
        limits: names.map(name => limitOf({ name, capacity: 3, refillIntervalMs: DAY })),
      })

    it('keeps them in 48 bytes each, with a head of 48, and what it knows of its own limits', async () => {
      await decide({ key: 'others', policy: limitsOf('a', 'b'), tokens: 1 })
      await decide({ key: 'others', policy: limitsOf('c'), tokens: 1 })
      expect(await redis.strlen(keys.bucket('others'))).toBe(8 + 16 + 32 + 32 + 2 * 48)
    })

    it('keeps them in 16 bytes each once a policy has them again', async () => {
      await decide({ key: 'back', policy: limitsOf('a'), tokens: 1 }, { key: 'back', policy: limitsOf('b'), tokens: 1 })
      await decide({ key: 'back', policy: limitsOf('a', 'b'), tokens: 1 })
      expect(await redis.strlen(keys.bucket('back'))).toBe(8 + 2 * 16)
    })

    it('keeps a slow one beside many fast ones', async () => {
      const fast = (prefix: string, count: number) =>
        Array.from({ length: count }, (_, i) =>
          limitOf({ name: `${prefix}${i}`, capacity: 1_000, refillIntervalMs: 1 }),
        )
      const yearly = limitOf({ name: 'yearly', capacity: 10, refillIntervalMs: 100 * DAY })
      const slowAmongFast = policyOf('among', { limits: [yearly, ...fast('p', 7)] })
      await decide({ key: 'slow', policy: limitsOf('a', 'b'), tokens: 3 })
      await decide({ key: 'slow', policy: slowAmongFast, tokens: 10 })
      await decide({ key: 'slow', policy: policyOf('r', { limits: fast('r', 1) }), tokens: 1 })
      const [first, second] = await decide(
        { key: 'slow', policy: limitsOf('a', 'b'), tokens: 1 },
        { key: 'slow', policy: slowAmongFast, tokens: 1 },
      )
      expect([first?.allowed, second?.allowed]).toEqual([false, false])
    })

    it('keeps the key until the slowest of them is full', async () => {
      await decide({ key: 'kept', policy: limitsOf('a'), tokens: 3 })
      await decide({ key: 'kept', policy: policyOf('fast', { limits: [limitOf({ capacity: 1_000 })] }), tokens: 1 })
      expect(await expiresIn('kept')).toBeGreaterThan(3 * DAY - 10_000)
    })
  })
})

function never(): never {
  throw new Error('there is none')
}
