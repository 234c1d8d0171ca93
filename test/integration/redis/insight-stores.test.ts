import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { pino } from 'pino'
import {
  COARSE_GRAIN,
  type Denial,
  type DenialRecord,
  FINE_GRAIN,
  type Growth,
  periodOf,
} from '../../../src/insight/ports.ts'
import { connect, type RedisClient } from '../../../src/redis/connection/connection.ts'
import { RedisDenialStore } from '../../../src/redis/insight/redis-denial-store.ts'
import { MAX_COUNTS, RedisKeyCountStore } from '../../../src/redis/insight/redis-key-count-store.ts'
import { RedisOutcomeStore } from '../../../src/redis/insight/redis-outcome-store.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { eventually } from '../../support/eventually.ts'
import { RedisCluster } from '../../support/redis-cluster.ts'
import { RedisServer } from '../../support/redis-server.ts'
import { targetOf } from '../../support/target-of.ts'

const HOUR_MS = 3_600_000
const DAMAGED_COUNTS = ['', 'NaN', 'inf', 'Infinity', '1e308', '-1', '0.5', '{}']
const NOON_MS = Date.parse('2026-01-31T12:00:00.000Z')

describeWithRedis.each([
  ['a single server', () => RedisServer.start()],
  ['a cluster', () => RedisCluster.start()],
])('the stores of insight on %s', (_, start) => {
  let server: RedisServer | RedisCluster
  let redis: RedisClient
  beforeAll(async () => {
    server = await start()
    redis = connect('request', { target: targetOf(server.url), name: 'test', logger: pino({ level: 'silent' }) })
    await eventually(() => redis.ping())
  })
  afterAll(async () => {
    redis.disconnect()
    await server.stop()
  })

  it('add the outcomes of all processes, in both grains and across hours', async () => {
    const outcomes = new RedisOutcomeStore(redis, 'outcomes')
    const none = { allowed: 0, denied: 0, shadowed: 0, error: 0 }
    await outcomes.add(NOON_MS - 10_000, { ...none, allowed: 5 })
    await outcomes.add(NOON_MS - 1, { ...none, denied: 2, error: 1 })
    await outcomes.add(NOON_MS + 4_999, { allowed: 1, denied: 2, shadowed: 3, error: 4 })
    await outcomes.add(NOON_MS, { ...none, allowed: 10 })
    expect(await outcomes.read(FINE_GRAIN, NOON_MS - 15_000, NOON_MS + 10_000)).toEqual([
      none,
      { ...none, allowed: 5 },
      { ...none, denied: 2, error: 1 },
      { allowed: 11, denied: 2, shadowed: 3, error: 4 },
      none,
    ])
    expect(await outcomes.read(COARSE_GRAIN, NOON_MS - 60_000, NOON_MS + 60_000)).toEqual([
      { ...none, allowed: 5, denied: 2, error: 1 },
      { allowed: 11, denied: 2, shadowed: 3, error: 4 },
    ])
    const day = await outcomes.read(COARSE_GRAIN, NOON_MS - 12 * HOUR_MS, NOON_MS + 12 * HOUR_MS)
    expect(day.length).toBe(1_440)
    expect(day.reduce((sum, { denied }) => sum + denied, 0)).toBe(4)
  })

  it('read a damaged count of an outcome as 0', async () => {
    const outcomes = new RedisOutcomeStore(redis, 'damaged')
    await outcomes.add(NOON_MS, { allowed: 1, denied: 2, shadowed: 3, error: 4 })
    const key = `{damaged:insight}:outcomes:${FINE_GRAIN.ms}:${NOON_MS / HOUR_MS}`
    const read = () => outcomes.read(FINE_GRAIN, NOON_MS, NOON_MS + FINE_GRAIN.ms)
    for (const damage of DAMAGED_COUNTS) {
      await redis.hset(key, '0:denied', damage)
      expect(await read()).toEqual([{ allowed: 1, denied: 0, shadowed: 3, error: 4 }])
    }
  })

  it('let what they keep expire', async () => {
    await new RedisOutcomeStore(redis, 'expiring').add(NOON_MS, { allowed: 1, denied: 0, shadowed: 0, error: 0 })
    for (const grain of [FINE_GRAIN, COARSE_GRAIN]) {
      const key = `{expiring:insight}:outcomes:${grain.ms}:${NOON_MS / HOUR_MS}`
      expect(Math.ceil((await redis.pttl(key)) / HOUR_MS)).toBe(grain.keptMs / HOUR_MS)
    }
  })

  const MINUTE = periodOf('minute', NOON_MS)
  const HOUR = periodOf('hour', NOON_MS)
  const growthOf = (key: string, growth: number, policy = 'user:*', earlierPolicy?: string): Growth => ({
    key,
    policy,
    growth,
    earlierPolicy,
  })

  it('add the counts of keys to their minute and hour, with their errors', async () => {
    const counts = new RedisKeyCountStore(redis, 'counts')
    const odd = ['<script>', '\u202Eabc', 'é'.repeat(128), '{a}:b c', '*']
    await counts.add(NOON_MS, { measure: 'denied', errorGrowth: 3, growths: [growthOf('a', 5), growthOf('b', 7)] })
    await counts.add(NOON_MS + 59_999, { measure: 'denied', errorGrowth: -1, growths: [growthOf('a', 6)] })
    await counts.add(NOON_MS + 60_000, { measure: 'denied', errorGrowth: 0, growths: odd.map(key => growthOf(key, 1)) })
    expect(await counts.read('denied', MINUTE)).toEqual({
      counts: [
        { key: 'a', policy: 'user:*', count: 11 },
        { key: 'b', policy: 'user:*', count: 7 },
      ],
      error: 2,
    })
    const hour = await counts.read('denied', HOUR)
    expect(hour.error).toBe(2)
    expect(hour.counts.map(({ key }) => key).toSorted()).toEqual(['a', 'b', ...odd].toSorted())
    expect(await counts.read('allowed', MINUTE)).toEqual({ counts: [], error: 0 })
  })

  it('leave out a damaged count of a key, and read a damaged error as 0', async () => {
    const counts = new RedisKeyCountStore(redis, 'damaged')
    await counts.add(NOON_MS, { measure: 'denied', errorGrowth: 3, growths: [growthOf('a', 5), growthOf('b', 7)] })
    for (const score of ['inf', '-inf', '1e308', '-5', '0.5']) {
      await redis.zadd(`{damaged:insight}:counts:denied:minute:${MINUTE.number}`, score, 'b\0user:*')
      expect(await counts.read('denied', MINUTE)).toEqual({
        counts: [{ key: 'a', policy: 'user:*', count: 5 }],
        error: 3,
      })
    }
    for (const damage of DAMAGED_COUNTS) {
      await redis.hset(`{damaged:insight}:count-errors:minute:${MINUTE.number}`, 'denied', damage)
      expect((await counts.read('denied', MINUTE)).error).toBe(0)
    }
  })

  it('move the count of a key to the policy that decided last', async () => {
    const counts = new RedisKeyCountStore(redis, 'policies')
    const add = (growth: Growth) => counts.add(NOON_MS, { measure: 'tokens', errorGrowth: 0, growths: [growth] })
    await add(growthOf('a', 5, '*'))
    await add(growthOf('a', 2, 'a', '*'))
    expect((await counts.read('tokens', HOUR)).counts).toEqual([{ key: 'a', policy: 'a', count: 7 }])
  })

  it('keep the largest counts in little memory, and say by how much others may be too small', async () => {
    const counts = new RedisKeyCountStore(redis, 'bounded')
    const truth = new Map<string, number>()
    for (let round = 0; round < 3; round++) {
      const growths = Array.from({ length: 3_000 }, (_, i) =>
        growthOf(`user:${String(i).padStart(15, '0')}`, i + round),
      )
      for (const { key, growth } of growths) truth.set(key, (truth.get(key) ?? 0) + growth)
      await counts.add(NOON_MS, { measure: 'denied', errorGrowth: 1, growths })
    }
    for (const period of [MINUTE, HOUR]) {
      const { counts: kept, error } = await counts.read('denied', period)
      const countOf = new Map(kept.map(({ key, count }) => [key, count]))
      for (const [key, number] of truth) {
        expect(number).toBeGreaterThanOrEqual(countOf.get(key) ?? 0)
        expect(number).toBeLessThanOrEqual((countOf.get(key) ?? 0) + error)
      }
    }
    for (const { unit, number } of [MINUTE, HOUR]) {
      const key = `{bounded:insight}:counts:denied:${unit}:${number}`
      const bytesPerCount = Number(await redis.memory('USAGE', key, 'SAMPLES', 0)) / (await redis.zcard(key))
      expect(bytesPerCount * MAX_COUNTS).toBeLessThan(64_000_000)
    }
  })

  const denialAt = (atMs: number, overrides: Partial<Denial> = {}): Denial => ({
    atMs,
    key: 'user:12345678901234',
    policy: 'user:*',
    policyVersion: 3,
    violated: ['default'],
    tokens: 1,
    remaining: 0,
    retryAfterMs: 87,
    source: 'denied-cache',
    requestId: '5f2b3c4d5e6f7a8b-18411841',
    ...overrides,
  })
  const EVER = { fromMs: undefined, toMs: undefined, before: undefined }
  const timesOf = (records: readonly DenialRecord[]) => records.map(({ denial }) => denial?.atMs)
  const hundred = (from: number) => Array.from({ length: 100 }, (_, i) => denialAt(from + i))

  it('keep the newest denials as they are, at most 300 bytes each', async () => {
    const denials = new RedisDenialStore(redis, 'denials', 1_000)
    const key = '{denials:insight}:denials'
    for (let from = 0; from < 1_200; from += 100) await denials.add(hundred(from))
    expect(await redis.xlen(key)).toBe(1_000)
    expect(Number(await redis.memory('USAGE', key, 'SAMPLES', 0)) / 1_000).toBeLessThan(300)
    const odd = { key: 'é'.repeat(128), violated: [], remaining: null, retryAfterMs: null, requestId: undefined }
    await denials.add([denialAt(1_200, odd)])
    const records = await denials.read(EVER, 3)
    expect(records.map(({ denial }) => denial)).toEqual([denialAt(1_200, odd), denialAt(1_199), denialAt(1_198)])
    expect(timesOf(await denials.read({ ...EVER, before: records[2]?.place }, 2))).toEqual([1_197, 1_196])
    expect(await redis.xlen(key)).toBe(1_000)
  })

  it('remove denials a part at a time, once fewer are to be kept', async () => {
    const key = '{fewer:insight}:denials'
    for (let i = 0; i < 70; i++) await new RedisDenialStore(redis, 'fewer', 10_000).add(hundred(0))
    const fewer = new RedisDenialStore(redis, 'fewer', 10)
    await fewer.add([denialAt(0)])
    expect(await redis.xlen(key)).toBeGreaterThan(4_000)
    for (let i = 0; i < 5; i++) await fewer.add([denialAt(0)])
    expect(await redis.xlen(key)).toBe(10)
  })

  it('read the denials of a time, and leave out damaged records', async () => {
    const denials = new RedisDenialStore(redis, 'times', 1_000)
    const key = '{times:insight}:denials'
    for (const second of [10, 20, 30, 40]) {
      const atMs = NOON_MS + second * 1_000
      await redis.xadd(key, `${atMs}-0`, 'denial', JSON.stringify([atMs, 'a', '*', 1, [], 1, 0, null, 'policy', null]))
    }
    const middle = await denials.read({ ...EVER, fromMs: NOON_MS + 21_000, toMs: NOON_MS + 29_000 }, 10)
    expect(timesOf(middle)).toEqual([NOON_MS + 30_000, NOON_MS + 20_000])
    const late = '[9e15,"a","*",1,[],1,0,null,"policy",null]'
    for (const json of ['{', '[]', '[1,"a","*",1,null,1,0,null,"policy",null]', late]) {
      await redis.xadd(key, '*', 'denial', json)
    }
    await redis.xadd(key, '*', 'foreign', 'x')
    expect(timesOf(await denials.read(EVER, 6))).toEqual([...new Array(5).fill(undefined), NOON_MS + 40_000])
  })
})
