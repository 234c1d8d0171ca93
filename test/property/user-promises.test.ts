import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { checkBucket } from '../../src/domain/bucket.ts'
import { type Decision, decideByBucket, enforcedStates, violatedLimits } from '../../src/domain/decision.ts'
import type { Limit } from '../../src/domain/limits/limit.ts'
import type { QuotaLimit } from '../../src/domain/limits/quota.ts'
import type { TokenBucketLimit } from '../../src/domain/limits/token-bucket.ts'
import { compilePolicy } from '../../src/domain/policy.ts'
import type { Bucket } from '../../src/domain/stored-bucket.ts'
import { DAY, limits, quotas, tokenBuckets } from '../support/arbitrary-limits.ts'
import { START_MS } from '../support/bucket-histories.ts'
import { naivePeriod } from '../support/naive-calendar.ts'
import { PROPERTY_TIMEOUT_MS, runs } from '../support/property-runs.ts'

describe('a user of the token bucket', () => {
  it(
    'never gets more than capacity + refill × elapsed in any window, even if the clock is set back',
    () => {
      const calls = fc.array(fc.record({ move, tokens }), { maxLength: 30, size: 'max' })
      fc.assert(
        fc.property(tokenBuckets, calls, (limits, calls) => {
          const key = new LoneCaller(limits)
          let [nowMs, elapsedMs] = [START_MS, 0]
          const admitted = calls.flatMap(({ move, tokens }) => {
            nowMs += move
            // When the clock goes back, no time may have passed for the caller.
            elapsedMs += Math.max(0, move)
            return key.check(tokens, nowMs).allowed ? [{ elapsedMs, tokens }] : []
          })
          for (const limit of limits) expectWithin(limit, admitted)
        }),
        runs(500, 100_000),
      )
    },
    PROPERTY_TIMEOUT_MS,
  )

  it(
    'never gets more than the capacity of a quota in a period, even if the clock is set back by up to 10 s',
    () => {
      const calls = fc.array(fc.record({ move: periodMove, tokens }), { maxLength: 30, size: 'max' })
      fc.assert(
        fc.property(quotas, calls, (quotas, calls) => {
          const key = new LoneCaller(quotas)
          let [nowMs, latestMs] = [START_MS, START_MS]
          const admitted = calls.flatMap(({ move, tokens }) => {
            nowMs = Math.max(nowMs + move, latestMs - 10_000)
            // A denied check sees the clock, too.
            latestMs = Math.max(latestMs, nowMs)
            return key.check(tokens, nowMs).allowed ? [{ atMs: latestMs, tokens }] : []
          })
          for (const quota of quotas) expectWithinPeriods(quota, admitted)
        }),
        runs(250, 50_000),
      )
    },
    PROPERTY_TIMEOUT_MS,
  )

  it(
    'is allowed after waiting exactly retryAfterMs, and not 1 ms earlier',
    () => {
      fc.assert(
        fc.property(limits, fc.array(tokens, { minLength: 1, maxLength: 8 }), tokens, (limits, spendings, wanted) => {
          const key = new LoneCaller(limits)
          for (const tokens of spendings) key.check(tokens, START_MS)
          const { allowed, retryAfterMs } = key.check(wanted, START_MS)
          fc.pre(!allowed && retryAfterMs !== null)
          expect(key.check(wanted, START_MS + Number(retryAfterMs) - 1).allowed).toBe(false)
          expect(key.check(wanted, START_MS + Number(retryAfterMs)).allowed).toBe(true)
        }),
        runs(250, 50_000),
      )
    },
    PROPERTY_TIMEOUT_MS,
  )

  it(
    'has every token back after resetAfterMs, and not 1 ms before',
    () => {
      fc.assert(
        fc.property(limits, tokens, (limits, spent) => {
          const key = new LoneCaller(limits)
          key.check(spent, START_MS)
          const reset = Math.max(...key.check(0, START_MS).states.map(({ resetAfterMs }) => resetAfterMs))
          fc.pre(reset > 0)
          const isFull = (nowMs: number) => key.check(0, nowMs).states.every(({ resetAfterMs }) => resetAfterMs === 0)
          expect(isFull(START_MS + reset - 1)).toBe(false)
          expect(isFull(START_MS + reset)).toBe(true)
        }),
        runs(250, 50_000),
      )
    },
    PROPERTY_TIMEOUT_MS,
  )

  it(
    'loses nothing by being denied or by reading',
    () => {
      fc.assert(
        fc.property(limits, tokens, tokens, fc.nat(20_000), (limits, spent, wanted, later) => {
          const { limits: compiled } = compilePolicy('x', 1, { limits, mode: 'enforce' })
          const { bucket } = checkBucket(undefined, compiled, spent, START_MS)
          const checkedLater = (asked: number) => checkBucket(bucket, compiled, asked, START_MS + later)
          const isForgotten = bucket === undefined || START_MS + later >= bucket.fullAtMs
          const kept = isForgotten ? undefined : bucket
          expect(checkedLater(0).bucket).toEqual(kept)
          const { reading, bucket: left } = checkedLater(wanted)
          if (!reading.allowed) expect(left).toEqual(kept)
        }),
        runs(250, 50_000),
      )
    },
    PROPERTY_TIMEOUT_MS,
  )

  it(
    'gets from the enforced limits what it would get without the shadow limits',
    () => {
      const calls = fc.array(fc.record({ move: fc.nat(100_000), tokens }), { maxLength: 30, size: 'max' })
      fc.assert(
        fc.property(limits, calls, (limits, calls) => {
          const [key, alone] = [new LoneCaller(limits), new LoneCaller(limits.filter(({ shadow }) => !shadow))]
          let nowMs = START_MS
          for (const { move, tokens } of calls) {
            nowMs += move
            const [decision, expected] = [key.check(tokens, nowMs), alone.check(tokens, nowMs)]
            expect(enforcedPartOf(decision)).toEqual(enforcedPartOf(expected))
          }
        }),
        runs(250, 50_000),
      )
    },
    PROPERTY_TIMEOUT_MS,
  )

  it('gets 86,400 tokens by asking a limit of 1 token a second every 100 ms for 24 hours', () => {
    const key = new LoneCaller([{ name: 'a', capacity: 1, refillTokens: 1, refillIntervalMs: 1_000 }])
    const day = Array.from({ length: 864_000 }, (_, i) => START_MS + i * 100)
    expect(day.filter(nowMs => key.check(1, nowMs).allowed)).toHaveLength(86_400)
  })
})

const tokens = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 1_000_000_000 }))
const move = fc.oneof(fc.integer({ min: -20_000, max: 0 }), fc.nat(10), fc.nat(100_000))
const periodMove = fc.oneof(move, fc.constantFrom(60_000, 3_600_000, DAY, 7 * DAY, 31 * DAY), fc.nat(3 * DAY))

class LoneCaller {
  readonly #policy
  #bucket: Bucket | undefined

  constructor(limits: readonly Limit[]) {
    this.#policy = compilePolicy('x', 1, { limits, mode: 'enforce' })
  }

  check(tokens: number, nowMs: number) {
    const { reading, bucket } = checkBucket(this.#bucket, this.#policy.limits, tokens, nowMs)
    this.#bucket = bucket
    return decideByBucket({ key: 'x', policy: this.#policy, tokens }, reading, 'redis')
  }
}

function enforcedPartOf(decision: Decision) {
  const { allowed, remaining, retryAfterMs, resetAfterMs, binding, states } = decision
  const values = enforcedStates(states).map(({ limit, ...state }) => ({ ...state, name: limit.name }))
  const denying = decision.shadowed ? [] : violatedLimits(decision)
  return { allowed, remaining, retryAfterMs, resetAfterMs, binding: binding?.name, values, denying }
}

function expectWithinPeriods(quota: QuotaLimit, admitted: readonly { atMs: number; tokens: number }[]): void {
  const totals = new Map<number, number>()
  for (const { atMs, tokens } of admitted) {
    const { start } = naivePeriod(quota, atMs)
    totals.set(start, (totals.get(start) ?? 0) + tokens)
  }
  for (const total of totals.values()) expect(total).toBeLessThanOrEqual(quota.capacity)
}

/** Examines every window from one admitted check to a later one. */
function expectWithin(limit: TokenBucketLimit, admitted: readonly { elapsedMs: number; tokens: number }[]): void {
  for (const [i, { elapsedMs: from }] of admitted.entries()) {
    let total = 0n
    for (const { elapsedMs, tokens } of admitted.slice(i)) {
      total += BigInt(tokens)
      const refilled = BigInt(elapsedMs - from) * BigInt(limit.refillTokens)
      const most = BigInt(limit.capacity) * BigInt(limit.refillIntervalMs) + refilled
      expect(total * BigInt(limit.refillIntervalMs) <= most).toBe(true)
    }
  }
}
