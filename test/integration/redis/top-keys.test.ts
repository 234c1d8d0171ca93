import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { pino } from 'pino'
import { CheckCounts } from '../../../src/insight/check-counts.ts'
import { KeyTally } from '../../../src/insight/key-tally.ts'
import { TopKeys, type TopResult } from '../../../src/insight/top-keys.ts'
import { connect, type RedisClient } from '../../../src/redis/connection/connection.ts'
import { RedisKeyCountStore } from '../../../src/redis/insight/redis-key-count-store.ts'
import { RedisOutcomeStore } from '../../../src/redis/insight/redis-outcome-store.ts'
import { decisionOf } from '../../support/decisions.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { eventually } from '../../support/eventually.ts'
import { RedisServer } from '../../support/redis-server.ts'
import { targetOf } from '../../support/target-of.ts'

const NOON_MS = Date.parse('2026-01-31T12:00:00.000Z')
const REPORTS = 36

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

  /** What `/top` finds of keys that three processes count, beside the true numbers. */
  async function topOf(prefix: string, checks: number, nextKey: () => string) {
    const outcomes = new RedisOutcomeStore(redis, prefix)
    const keyCounts = new RedisKeyCountStore(redis, prefix)
    const processes = Array.from(
      { length: 3 },
      () => new CheckCounts({ outcomes, keyCounts, keys: new KeyTally(), timeoutMs: 60_000 }),
    )
    const truth = new Map<string, number>()
    const decision = decisionOf({ allowed: false })
    for (let i = 0; i < REPORTS; i++) {
      const atMs = NOON_MS + i * 5_000
      for (const counts of processes) {
        for (let n = 0; n < checks / REPORTS / processes.length; n++) {
          const key = nextKey()
          counts.decided({ ...decision, key })
          truth.set(key, (truth.get(key) ?? 0) + 1)
        }
        const report = counts.take(atMs, atMs + 5_000)
        if (report !== undefined) await counts.send(report)
      }
    }
    const top = new TopKeys(keyCounts, () => NOON_MS + REPORTS * 5_000)
    return { truth, short: await top.find('denied', '5m'), long: await top.find('denied', '24h') }
  }

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
    const { truth, short, long } = await topOf('zipf', checks, zipfKeys(1_000_000, 1.1))
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
    const { truth, short, long } = await topOf(`uniform-${keys}`, checks, () => `user:${Math.floor(random() * keys)}`)
    for (const result of [short, long]) {
      expect(result.items.length).toBe(100)
      expect(result.maxError).toBeLessThanOrEqual(checks * 0.005)
      expectBounds(truth, result)
    }
  })
})

/** Pseudorandom numbers between 0 and 1, the same in each run. @see https://en.wikipedia.org/wiki/Linear_congruential_generator */
function randomNumbers(): () => number {
  let state = 42
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** Keys whose frequency is proportional to 1 ÷ rank ^ exponent. */
function zipfKeys(keys: number, exponent: number): () => string {
  const random = randomNumbers()
  const sums = new Float64Array(keys)
  for (let i = 0, sum = 0; i < keys; i++) {
    sum += (i + 1) ** -exponent
    sums[i] = sum
  }
  return () => {
    const target = random() * (sums[keys - 1] as number)
    let low = 0
    let high = keys - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((sums[middle] as number) < target) low = middle + 1
      else high = middle
    }
    return `user:${low}`
  }
}
