import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { type CheckGroup, type HoldRequest, UNFINISHED } from '../../../src/check/ports.ts'
import { decideByBucket } from '../../../src/domain/decision.ts'
import { MAX_HOLDS } from '../../../src/domain/holds.ts'
import type { Policy } from '../../../src/domain/policy.ts'
import { type ReservationId, reservationId } from '../../../src/domain/reservation-id.ts'
import { NO_REPORT } from '../../../src/redis/buckets/check-reply.ts'
import { RedisBucketStore } from '../../../src/redis/buckets/redis-bucket-store.ts'
import { BucketKeys } from '../../../src/redis/keys.ts'
import { readQuotaCountsScript } from '../../../src/redis/scripts.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { eventually } from '../../support/eventually.ts'
import { limitOf, policyOf, quotaOf } from '../../support/policies.ts'
import { RedisServer } from '../../support/redis-server.ts'

const DAY = 86_400_000
const MINUTE = 60_000
const CAPACITY = 10_000

describeWithRedis('reservations in a real Redis', () => {
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

  const slow = policyOf('slow', { limits: [limitOf({ capacity: CAPACITY, refillIntervalMs: DAY })] })
  const jobs = policyOf('jobs', {
    limits: [
      limitOf({ capacity: CAPACITY, refillIntervalMs: DAY }),
      { kind: 'concurrency', name: 'in-flight', capacity: 5 },
    ],
  })

  let made = 0
  const newId = (key: string) => reservationId(key, String(made++).padStart(22, '0'))

  function groupOf(key: string, tokens: number, hold: Partial<HoldRequest> = {}, policy: Policy = slow): CheckGroup {
    return {
      checks: [{ key, policy, tokens, reserves: true }],
      shadowed: [false],
      hold: {
        id: newId(key),
        ttlMs: MINUTE,
        onExpiry: 'charge',
        fingerprint: 'f',
        named: [{ key, tokens }],
        ...hold,
      },
    }
  }

  async function reserve(key: string, tokens: number, hold: Partial<HoldRequest> = {}, policy: Policy = slow) {
    const group = groupOf(key, tokens, hold, policy)
    const [reading] = await store.checkAll([group])
    return { id: group.hold?.id as ReservationId, ...reading }
  }

  const settle = (id: ReservationId, amounts: number | 'reserved' | 'release', policy: Policy = slow) =>
    store.settle([{ id, amounts, policyOf: () => policy }])

  async function look(key: string, policy: Policy = slow) {
    const check = { key, policy, tokens: 0 }
    const [reading] = await store.check([check])
    return reading && decideByBucket(check, reading, 'redis')
  }

  /** Makes all holds of a key due, as if time had passed. */
  async function makeDue(key: string, agoMs = 1_000): Promise<void> {
    const value = await redis.getBuffer(keys.bucket(key))
    const past = Date.now() - agoMs
    value?.writeDoubleBE(past, 8 + 16 + 16)
    await redis.set(keys.bucket(key), value as Buffer, 'KEEPTTL')
    const members = await redis.zrangeBuffer(keys.holds(key), 0, '-1')
    if (members.length === 0) return
    await redis.zadd(keys.holds(key), ...members.flatMap(member => [past, member]))
  }

  it('hold their tokens until they are settled, and charge what is settled', async () => {
    const { id } = await reserve('settled', 400)
    expect(await look('settled')).toMatchObject({ allowed: true, remaining: CAPACITY - 400 })
    expect(await store.holdsOf('settled')).toEqual([
      { id, tokens: 400, expiresAtMs: expect.any(Number), onExpiry: 'charge' },
    ])
    expect(await settle(id, 150)).toMatchObject([{ status: 'settled', keys: [{ tokens: 150, charged: 150 }] }])
    expect(await look('settled')).toMatchObject({ remaining: CAPACITY - 150 })
    expect(await store.holdsOf('settled')).toEqual([])
    expect(await settle(id, 150)).toMatchObject([{ status: 'settled', keys: [{ charged: 150 }] }])
    expect(await settle(id, 151)).toEqual([{ status: 'ended', ended: 'settled' }])
    expect(await look('settled')).toMatchObject({ remaining: CAPACITY - 150 })
  })

  it('can be settled, extended and read by a process that did not make them', async () => {
    const { id } = await reserve('elsewhere', 10, { named: [{ key: 'elsewhere', tokens: 10, policy: 'plan:gold' }] })
    const other = new RedisBucketStore(redis, keys)
    expect(await other.read([id])).toMatchObject([
      { id, status: 'held', keys: [{ key: 'elsewhere', tokens: 10, policy: 'plan:gold' }] },
    ])
    expect(await other.extend([{ id, ttlMs: 2 * MINUTE }])).toMatchObject([{ status: 'extended' }])
    const named: unknown[] = []
    const policyFor = (name: unknown) => {
      named.push(name)
      return slow
    }
    const another = new RedisBucketStore(redis, keys)
    expect(await another.settle([{ id, amounts: 3, policyOf: policyFor }])).toMatchObject([{ status: 'settled' }])
    expect(named).toContainEqual({ key: 'elsewhere', tokens: 10, policy: 'plan:gold' })
  })

  it('take one slot each of a concurrency limit, however many tokens they hold', async () => {
    const five = await Promise.all([0, 0, 0, 7, 0].map(tokens => reserve('slots', tokens, {}, jobs)))
    expect(five.map(({ allowed }) => allowed)).toEqual([true, true, true, true, true])
    const sixth = await reserve('slots', 0, {}, jobs)
    expect(sixth).toMatchObject({ allowed: false })
    const decision = decideByBucket(
      { key: 'slots', policy: jobs, tokens: 0, reserves: true },
      sixth.readings?.[0] as never,
      'redis',
    )
    expect(decision).toMatchObject({ allowed: false, remaining: 0, binding: { name: 'in-flight' } })
    expect(decision.retryAfterMs).toBeGreaterThan(MINUTE - 10_000)
    await settle(five[0]?.id as ReservationId, 'release', jobs)
    expect(await reserve('slots', 0, {}, jobs)).toMatchObject({ allowed: true })
    expect(await look('slots', jobs)).toMatchObject({ allowed: true, binding: { name: 'default' } })
  })

  it('of a key are at most a thousand', async () => {
    const groups = Array.from({ length: MAX_HOLDS + 1 }, () => groupOf('many', 1))
    const readings = await store.checkAll(groups)
    expect(readings.filter(reading => reading?.reservation)).toHaveLength(MAX_HOLDS)
    expect(readings.at(-1)).toMatchObject({ refusal: { reason: 'too-many-reservations', index: 0 } })
    expect(await look('many')).toMatchObject({ remaining: CAPACITY - MAX_HOLDS })
    expect(await store.holdsOf('many')).toHaveLength(100)
  })

  it('that have expired are settled by the next accesses, 64 by each', async () => {
    await store.checkAll(Array.from({ length: 150 }, () => groupOf('due', 2)))
    await makeDue('due')
    const held = async () => (await store.check([{ key: 'due', policy: slow, tokens: 0 }]))[0]?.held?.count ?? 0
    expect([await held(), await held(), await held()]).toEqual([150 - 64, 150 - 128, 0])
    expect(await look('due')).toMatchObject({ remaining: CAPACITY - 300 })
    expect(await redis.exists(keys.holds('due'))).toBe(0)
  })

  it('that have expired are settled one by each access once a call has settled many, so that no call takes long', async () => {
    const many = Array.from({ length: 8 }, (_, i) => `many-due:${i}`)
    for (const key of many) {
      await store.checkAll(Array.from({ length: 70 }, () => groupOf(key, 2)))
      await makeDue(key)
    }
    const readings = await store.check(many.map(key => ({ key, policy: slow, tokens: 0 })))
    expect(readings.map(reading => reading?.held?.count)).toEqual([6, 6, 6, 6, 69, 69, 69, 69])
  })

  it('that are left over are charged to the period of a quota in which they have ended', async () => {
    const hourly = { name: 'hourly', kind: 'quota', period: 'hour', capacity: CAPACITY } as const
    const policy = policyOf('hours', { limits: [limitOf({ capacity: CAPACITY }), hourly] })
    await store.checkAll(Array.from({ length: 100 }, () => groupOf('left-over', 5, {}, policy)))
    await makeDue('left-over', 120 * MINUTE)
    await store.check([{ key: 'left-over', policy, tokens: 1 }])
    expect(await redis.zcard(keys.holds('left-over'))).toBe(100 - 64)
    const [reading] = await store.check([{ key: 'left-over', policy, tokens: 0 }])
    expect(reading?.held).toBeUndefined()
    expect(reading?.spent[1]).toBe(1)
  })

  /** How often each command was called meanwhile, also by scripts. */
  async function commandsDuring(run: () => Promise<unknown>): Promise<Record<string, number>> {
    await redis.config('RESETSTAT')
    await run()
    const stats = await redis.info('commandstats')
    const calls = [...stats.matchAll(/^cmdstat_(\w+):calls=(\d+)/gm)].map(([, name, count]) => [name, Number(count)])
    return Object.fromEntries(calls)
  }

  it('cost a check by several limits no command more', async () => {
    const policy = policyOf('several', {
      limits: [limitOf({ capacity: CAPACITY }), quotaOf(), { kind: 'concurrency', name: 'in-flight', capacity: 5 }],
    })
    const check = (key: string) => store.check([{ key, policy, tokens: 1 }])
    await check('several:unheld')
    for (let i = 0; i < 3; i++) await reserve('several:held', 1, {}, policy)
    const unheld = await commandsDuring(() => check('several:unheld'))
    expect(unheld).toMatchObject({ get: 1, set: 1 })
    expect(await commandsDuring(() => check('several:held'))).toEqual(unheld)
    expect(await store.check([{ key: 'several:held', policy, tokens: 0 }])).toMatchObject([{ held: { count: 3 } }])
  })

  /** Makes reservations that have expired. Resolves with the id of the last one. */
  async function expiredBacklog(key: string, count: number): Promise<ReservationId> {
    const groups = Array.from({ length: count }, () => groupOf(key, 2, { ttlMs: 1 }))
    await untilStoreTime(await lastExpiryOf(groups))
    return ((groups.at(-1) as CheckGroup).hold as HoldRequest).id
  }

  /** Makes reservations. Resolves with the time when the last one expires. */
  async function lastExpiryOf(groups: readonly CheckGroup[]): Promise<number> {
    const made = await store.checkAll(groups)
    return Math.max(...made.map(reading => reading?.reservation?.expiresAtMs ?? 0))
  }

  /** Waits until the store's clock is past a time, in ms since 1970. */
  async function untilStoreTime(timeMs: number): Promise<void> {
    await eventually(async () => {
      const [seconds, micros] = await redis.time()
      expect(Number(seconds) * 1_000 + Number(micros) / 1_000).toBeGreaterThan(timeMs)
    })
  }

  it('that have expired are settled 64 by each call on one of them, until it is its turn', async () => {
    const id = await expiredBacklog('backlog', 150)
    const held = () => redis.zcard(keys.holds('backlog'))
    const settlement = { id, amounts: 3, policyOf: () => slow }
    expect([await store.read([id]), await held()]).toEqual([[UNFINISHED], 150 - 64])
    expect([await store.settle([settlement]), await held()]).toEqual([[UNFINISHED], 150 - 128])
    expect(await store.extend([{ id }])).toEqual([{ status: 'ended', ended: 'expired' }])
    expect(await held()).toBe(0)
    expect(await store.settle([settlement])).toMatchObject([{ status: 'settled', keys: [{ charged: 3 }] }])
    expect(await look('backlog')).toMatchObject({ remaining: CAPACITY - 301 })
  })

  it('that have expired are settled 256 by all calls of a batch, or a few more', async () => {
    const id = await expiredBacklog('long', 900)
    expect(new Set(await store.read(Array.from({ length: 50 }, () => id)))).toEqual(new Set([UNFINISHED]))
    const left = await redis.zcard(keys.holds('long'))
    expect(left).toBeLessThanOrEqual(900 - 256)
    expect(left).toBeGreaterThan(900 - 256 - 64)
  })

  it('are listed until they expire, also while nothing settles them', async () => {
    const { id } = await reserve('alone', 2)
    expect(await store.holdsOf('alone')).toMatchObject([{ id }])
    await makeDue('alone')
    expect(await store.holdsOf('alone')).toEqual([])

    await store.checkAll(Array.from({ length: 200 }, () => groupOf('listed', 2)))
    await makeDue('listed')
    expect(await store.holdsOf('listed')).toEqual([])
    expect(await redis.zcard(keys.holds('listed'))).toBe(200)
    const last = await reserve('listed', 3)
    expect(await redis.zcard(keys.holds('listed'))).toBe(200 - 64 + 1)
    expect(await store.holdsOf('listed')).toMatchObject([{ id: last.id, tokens: 3 }])
  })

  /** A store, and how many reservations of each key it reports as expired. */
  function storeReportingExpired(): { reporting: RedisBucketStore; expired: readonly [string, number][] } {
    const expired: [string, number][] = []
    const report = { ...NO_REPORT, expired: (key: string, count: number) => void expired.push([key, count]) }
    return { reporting: new RedisBucketStore(redis, keys, report), expired }
  }

  it('that have expired are reported also long after they have refilled', async () => {
    const limit = limitOf({ capacity: 2, refillTokens: 1, refillIntervalMs: 1 })
    const alone = policyOf('alone', { limits: [limit] })
    const both = policyOf('both', { limits: [limit, { kind: 'concurrency', name: 'in-flight', capacity: 5 }] })
    const groups = [
      groupOf('refilled:one', 1, { ttlMs: 1 }, alone),
      groupOf('refilled:two', 1, { ttlMs: 1 }, alone),
      groupOf('refilled:two', 1, { ttlMs: 1 }, alone),
      groupOf('refilled:both', 1, { ttlMs: 1 }, both),
    ]
    await untilStoreTime((await lastExpiryOf(groups)) + 50)
    const { reporting, expired } = storeReportingExpired()
    await reporting.check(['one', 'two', 'both'].map(name => ({ key: `refilled:${name}`, policy: both, tokens: 0 })))
    expect(expired).toEqual([
      ['refilled:one', 1],
      ['refilled:two', 2],
      ['refilled:both', 1],
    ])
  })

  it('that a reset finds expired are reported as such', async () => {
    const { reporting, expired } = storeReportingExpired()
    await store.checkAll(Array.from({ length: 70 }, () => groupOf('reset-due', 2)))
    await makeDue('reset-due')
    await reserve('reset-due', 2)
    await reporting.reset('reset-due')
    await reporting.reset('reset-due')
    expect(expired).toEqual([['reset-due', 70 - 64]])
  })

  it('are forgotten by a reset, and still charged when they are settled', async () => {
    const { id } = await reserve('reset', 400)
    await store.reset('reset')
    expect(await look('reset')).toMatchObject({ remaining: CAPACITY })
    expect(await store.extend([{ id }])).toEqual([{ status: 'ended', ended: 'released' }])
    expect(await settle(id, 30)).toMatchObject([{ status: 'settled', keys: [{ charged: 30 }] }])
    expect(await look('reset')).toMatchObject({ remaining: CAPACITY - 30 })
  })

  const SPOILT: readonly [string, (key: string) => Promise<unknown>][] = [
    ['is lost', key => redis.del(keys.holds(key))],
    ['is of another type', key => redis.set(keys.holds(key), 'x')],
  ]

  it.each(SPOILT)('whose set %s are forgotten by a reset', async (what, spoil) => {
    const key = `reset ${what}`
    await reserve(key, 400)
    await reserve(key, 100)
    await spoil(key)
    await store.reset(key)
    expect(await look(key)).toMatchObject({ remaining: CAPACITY })
    expect(await store.holdsOf(key)).toEqual([])
  })

  it.each(SPOILT)('whose set %s stay held until the last deadline, and are charged in full', async (what, spoil) => {
    const key = `lost ${what}`
    await reserve(key, 400, { onExpiry: 'release' })
    await reserve(key, 100, { ttlMs: 2 * MINUTE })
    await spoil(key)
    expect(await look(key)).toMatchObject({ remaining: CAPACITY - 500 })
    await reserve(key, 1)
    expect(await store.check([{ key, policy: slow, tokens: 0 }])).toMatchObject([{ held: { tokens: 501, count: 3 } }])
    expect(await store.holdsOf(key)).toHaveLength(1)
    await makeDue(key)
    expect(await look(key)).toMatchObject({ remaining: CAPACITY - 501 })
  })

  it('take no tokens of a bucket that was lost while the set of its holds was not', async () => {
    await reserve('leftover', 300)
    await reserve('leftover', 100)
    await redis.del(keys.bucket('leftover'))
    expect(await look('leftover')).toMatchObject({ remaining: CAPACITY })
    await reserve('leftover', 7)
    expect(await look('leftover')).toMatchObject({ remaining: CAPACITY - 7 })
    expect(await store.holdsOf('leftover')).toHaveLength(1)
    await reserve('leftover', 8)
    expect(await look('leftover')).toMatchObject({ remaining: CAPACITY - 15 })
    expect(await store.holdsOf('leftover')).toHaveLength(2)
  })

  it('have a set only from the second one of a key until the last one ends', async () => {
    const hasSet = async () => (await redis.exists(keys.holds('sets'))) === 1
    const first = await reserve('sets', 1, { onExpiry: 'release' })
    expect(await hasSet()).toBe(false)
    const second = await reserve('sets', 2)
    expect(await hasSet()).toBe(true)
    expect(await store.holdsOf('sets')).toMatchObject([
      { id: first.id, tokens: 1, onExpiry: 'release' },
      { id: second.id, tokens: 2, onExpiry: 'charge' },
    ])
    await settle(second.id, 2)
    expect(await store.extend([{ id: first.id }])).toMatchObject([{ status: 'extended' }])
    await settle(first.id, 3)
    expect(await hasSet()).toBe(false)
    const third = await reserve('sets', 4, { onExpiry: 'release' })
    expect(await store.holdsOf('sets')).toMatchObject([{ id: third.id, tokens: 4, onExpiry: 'release' }])
    expect(await look('sets')).toMatchObject({ remaining: CAPACITY - 5 - 4 })
  })

  it('that are the only ones of their key can be extended, and expire', async () => {
    const { id } = await reserve('only', 400)
    const [extended] = await store.extend([{ id, ttlMs: 3 * MINUTE }])
    const [hold] = await store.holdsOf('only')
    expect(hold).toMatchObject({ id, tokens: 400 })
    expect(extended).toEqual({ status: 'extended', expiresAtMs: hold?.expiresAtMs })
    await makeDue('only')
    expect(await look('only')).toMatchObject({ remaining: CAPACITY - 400 })
    expect(await store.holdsOf('only')).toEqual([])
  })

  it('tell when the first of those that are left expires', async () => {
    const [first, , last] = [
      await reserve('first', 1, { ttlMs: MINUTE }),
      await reserve('first', 1, { ttlMs: 2 * MINUTE }),
      await reserve('first', 1, { ttlMs: 3 * MINUTE }),
    ]
    await settle(first.id, 1)
    await settle(last.id, 'release')
    const [reading] = await store.check([{ key: 'first', policy: slow, tokens: 1 }])
    expect(reading?.held).toMatchObject({ tokens: 1, count: 1 })
    for (const ms of [reading?.held?.nextExpiryMs, reading?.held?.lastExpiryMs]) {
      expect(ms).toBeGreaterThan(MINUTE)
      expect(ms).toBeLessThanOrEqual(2 * MINUTE)
    }
  })

  it('that a replica had not received when it took over are not found, and cost nothing', async () => {
    // A master waits for five seconds for further replicas before it sends its data.
    await redis.config('SET', 'repl-diskless-sync-delay', '0')
    const replica = await RedisServer.start('--replicaof', '127.0.0.1', String(server.port))
    const promoted = new Redis(replica.url)
    try {
      const kept = await reserve('failed-over', 5)
      await eventually(async () => expect(await redis.wait(1, 100)).toBe(1))
      await promoted.replicaof('NO', 'ONE')
      const lost = await reserve('failed-over', 7)
      const after = new RedisBucketStore(promoted, keys)
      expect(
        await after.settle([kept, lost].map(({ id }) => ({ id, amounts: 'reserved', policyOf: () => slow }))),
      ).toMatchObject([{ status: 'settled', keys: [{ charged: 5 }] }, { status: 'not-found' }])
      const check = { key: 'failed-over', policy: slow, tokens: 0 }
      const [reading] = await after.check([check])
      expect(reading && decideByBucket(check, reading, 'redis')).toMatchObject({ remaining: CAPACITY - 5 })
    } finally {
      promoted.disconnect()
      await replica.stop()
    }
  })

  it('find their own reservation again after the memory of it is outdated', async () => {
    const { id } = await reserve('again', 5)
    await redis.del(keys.record(id))
    const other = new RedisBucketStore(redis, keys)
    await other.checkAll([groupOf('again', 6, { id, fingerprint: 'another', named: [{ key: 'again', tokens: 6 }] })])
    expect(await store.read([id])).toMatchObject([{ status: 'held', keys: [{ key: 'again', tokens: 6 }] }])
    await redis.del(keys.record(id))
    expect(await store.read([id])).toEqual([null])
  })

  it('keep a bucket and the set of its holds equally long, until after the last deadline and the refill', async () => {
    await reserve('kept', 300, { ttlMs: MINUTE / 2 })
    await reserve('kept', 100, { ttlMs: MINUTE })
    const [bucket, holds] = await Promise.all([
      redis.pexpiretime(keys.bucket('kept')),
      redis.pexpiretime(keys.holds('kept')),
    ])
    expect(bucket).toBe(holds)
    expect(bucket).toBeGreaterThan(Date.now() + MINUTE)
    await store.check([{ key: 'kept', policy: slow, tokens: 5 }])
    expect(await redis.pexpiretime(keys.bucket('kept'))).toBe(bucket)
  })

  it('are forgotten by a restart of the embedded store, which keeps what was spent of a quota', async () => {
    const monthly = policyOf('monthly', { limits: [quotaOf({ capacity: CAPACITY })] })
    await store.check([{ key: 'restarted', policy: monthly, tokens: 5 }])
    await reserve('restarted', 400, {}, monthly)
    const heldOf = async () => (await store.check([{ key: 'restarted', policy: monthly, tokens: 0 }]))[0]?.held
    expect(await heldOf()).toMatchObject({ tokens: 400 })
    const bucket = keys.bucket('restarted')
    const [value, expiresAt] = (await redis.eval(readQuotaCountsScript.lua, 1, bucket)) as [string, number]
    await redis.del(bucket, keys.holds('restarted'))
    await redis.set(bucket, Buffer.from(value, 'hex'), 'PXAT', expiresAt)
    expect(await look('restarted', monthly)).toMatchObject({ remaining: CAPACITY - 5 })
    expect(await heldOf()).toBeUndefined()
    await reserve('restarted', 1, {}, monthly)
    expect(await look('restarted', monthly)).toMatchObject({ remaining: CAPACITY - 6 })
  })

  it('need at most 8 KB for 100 of a key, and 300 bytes and the keys for a record', async () => {
    const groups = Array.from({ length: 100 }, () => groupOf('memory', 4_000))
    await store.checkAll(groups.slice(0, 2))
    await store.checkAll(
      groups.map(({ checks, ...group }) => ({ ...group, checks: checks.map(check => ({ ...check, tokens: 1 })) })),
    )
    const sizeOf = async (key: string) => Number(await redis.memory('USAGE', key))
    expect((await sizeOf(keys.bucket('memory'))) + (await sizeOf(keys.holds('memory')))).toBeLessThanOrEqual(8 * 1024)
    expect(await sizeOf(keys.record(groups[0]?.hold?.id as ReservationId))).toBeLessThanOrEqual(300 + 'memory'.length)
  })
})
