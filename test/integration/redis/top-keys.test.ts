import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { pino } from 'pino'
import type { TopResult } from '../../../src/insight/top-keys.ts'
import { connect, type RedisClient } from '../../../src/redis/connection/connection.ts'
import { randomNumbers, topOf, zipfKeys } from '../../support/counted-traffic.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { eventually } from '../../support/eventually.ts'
import { RedisServer } from '../../support/redis-server.ts'
import { targetOf } from '../../support/target-of.ts'

describeWithRedis('the top keys of three processes', () => {
  let server: RedisServer
  let redis: RedisClient
  beforeAll(async () => {
    server = await RedisServer.start()
    redis = connect('request', { target: targetOf(server.url), name: 'test', logger: pino({ level: 'silent' }) })
    await eventually(() => redis.ping())
  })
  afterAll(async () => {
    redis.disconnect()
    await server.stop()
  })

  function expectBounds(
    truth: ReadonlyMap<string, number>,
    { items, maxError }: Pick<TopResult, 'items' | 'maxError'>,
  ) {
    for (const { key, count } of items) {
      expect(truth.get(key)).toBeGreaterThanOrEqual(count)
      expect(truth.get(key)).toBeLessThanOrEqual(count + maxError)
    }
  }

  it('are exactly the twenty most frequent of skewed traffic', async () => {
    const checks = 200_000
    const { truth, short, long } = await topOf(redis, { prefix: 'zipf', checks, nextKey: zipfKeys(1_000_000, 1.1) })
    const exact = [...truth].sort(([, a], [, b]) => b - a).slice(0, 20)
    for (const result of [short, long]) {
      expect(result.items.slice(0, 20).map(({ count }) => count)).toEqual(exact.map(([, number]) => number))
      expect(new Set(result.items.slice(0, 19).map(({ key }) => key))).toEqual(
        new Set(exact.slice(0, 19).map(([key]) => key)),
      )
      expect(result.maxError).toBeLessThanOrEqual(checks * 0.005)
      expectBounds(truth, result)
    }
  })

  it.each([500, 5_000, 1_000_000])('are right about uniform traffic of %i keys', async keys => {
    const checks = 60_000
    const random = randomNumbers()
    const nextKey = () => `user:${Math.floor(random() * keys)}`
    const { truth, short, long } = await topOf(redis, { prefix: `uniform-${keys}`, checks, nextKey })
    for (const result of [short, long]) {
      expect(result.items.length).toBe(100)
      expect(result.maxError).toBeLessThanOrEqual(checks * 0.005)
      expectBounds(truth, result)
    }
  })
})
