import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Cluster, type Redis } from 'ioredis'
import { pino } from 'pino'
import { COARSE_GRAIN, FINE_GRAIN, type Growth, periodOf } from '../../../src/insight/ports.ts'
import { connect, type RedisClient } from '../../../src/redis/connection/connection.ts'
import { RedisKeyCountStore } from '../../../src/redis/insight/redis-key-count-store.ts'
import { RedisOutcomeStore } from '../../../src/redis/insight/redis-outcome-store.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { eventually } from '../../support/eventually.ts'
import { RedisCluster } from '../../support/redis-cluster.ts'
import { RedisServer } from '../../support/redis-server.ts'
import { targetOf } from '../../support/target-of.ts'

const HOUR_MS = 3_600_000
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
    const bytesOf = async (unit: string, most: number) => {
      const [key = ''] = await keysLike(`{bounded:insight}:counts:denied:${unit}:*`)
      return (Number(await redis.memory('USAGE', key, 'SAMPLES', 0)) / (await redis.zcard(key))) * most
    }
    const bytes = 4 * (62 * (await bytesOf('minute', 800)) + 26 * (await bytesOf('hour', 2_000)))
    expect(bytes).toBeLessThan(64 * 1024 * 1024)
  })

  const keysLike = async (pattern: string) => (await Promise.all(nodesOf(redis).map(node => node.keys(pattern)))).flat()
})

function nodesOf(redis: RedisClient): readonly Redis[] {
  return redis instanceof Cluster ? redis.nodes('master') : [redis]
}
