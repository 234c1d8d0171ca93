import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { pino } from 'pino'
import { COARSE_GRAIN, FINE_GRAIN } from '../../../src/insight/ports.ts'
import { connect, type RedisClient } from '../../../src/redis/connection/connection.ts'
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
})
