/** Traffic that processes count for `/top`, the same in each run. */
import { CheckCounts } from '../../src/insight/check-counts.ts'
import { KeyTally } from '../../src/insight/key-tally.ts'
import { PacedReads } from '../../src/insight/paced-reads.ts'
import { TopKeys, type TopResult } from '../../src/insight/top-keys.ts'
import type { RedisClient } from '../../src/redis/connection/connection.ts'
import { RedisKeyCountStore } from '../../src/redis/insight/redis-key-count-store.ts'
import { RedisOutcomeStore } from '../../src/redis/insight/redis-outcome-store.ts'
import { decisionOf } from './decisions.ts'

const NOON_MS = Date.parse('2026-01-31T12:00:00.000Z')
const REPORTS = 36

interface CountedTop {
  /** The true numbers, by key. */
  readonly truth: ReadonlyMap<string, number>
  /** Over a short window, and over a day. */
  readonly short: TopResult
  readonly long: TopResult
}

interface CountedTraffic {
  /** Of the keys in Redis. */
  readonly prefix: string
  readonly checks: number
  nextKey(): string
}

/** What `/top` finds of keys that three processes count, beside the true numbers. */
export async function topOf(redis: RedisClient, { prefix, checks, nextKey }: CountedTraffic): Promise<CountedTop> {
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
  const reads = new PacedReads(new AbortController().signal)
  const top = new TopKeys({ store: keyCounts, reads, now: () => NOON_MS + REPORTS * 5_000 })
  return { truth, short: await top.find('denied', '5m'), long: await top.find('denied', '24h') }
}

/** Pseudorandom numbers between 0 and 1, the same in each run. @see https://en.wikipedia.org/wiki/Linear_congruential_generator */
export function randomNumbers(): () => number {
  let state = 42
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** Keys whose frequency is proportional to 1 ÷ rank ^ exponent. */
export function zipfKeys(keys: number, exponent: number): () => string {
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
