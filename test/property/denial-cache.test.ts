import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { DenialCache } from '../../src/check/denial-cache.ts'
import { checkBucket } from '../../src/domain/bucket.ts'
import { decideByBucket } from '../../src/domain/decision.ts'
import type { Limit } from '../../src/domain/limits/limit.ts'
import { compilePolicy } from '../../src/domain/policy.ts'
import { answerOf } from '../support/answer-of.ts'
import { limits } from '../support/arbitrary-limits.ts'
import { START_MS } from '../support/bucket-histories.ts'
import { type Answer, BucketOracle } from '../support/bucket-oracle.ts'
import { PROPERTY_TIMEOUT_MS, runs } from '../support/property-runs.ts'

/** Clocks move by quarters of a millisecond, which doubles hold exactly; the store sees whole milliseconds. */
const quarters = (max: number) => fc.nat(max * 4).map(n => n / 4)

/** Calendars end at 8.64e15 ms. */
const LAST_YEAR_MS = 8.6e15

const denial = fc.record({
  limits,
  /** Quarters of the smallest capacity. */
  spent: fc.integer({ min: 1, max: 4 }),
  wanted: fc.integer({ min: 1, max: 4 }),
  /** How long before it would allow the check the store decides, and how far its clock was set back; both in ms. */
  early: fc.oneof(quarters(5), quarters(3_000)),
  setBackMs: fc.oneof(fc.constant(0), fc.nat(10_000)),
  /** Network latency to the store and back, in ms. */
  wayThere: fc.oneof(quarters(1), quarters(200)),
  wayBack: fc.oneof(quarters(1), quarters(200)),
  /** When the check is repeated, in ms: after the reply, or before the end of retryAfterMs. */
  repeated: fc.array(
    fc.oneof(
      quarters(1_100).map(ms => ({ afterReply: ms })),
      quarters(2).map(ms => ({ beforeEnd: ms })),
    ),
    { minLength: 1, maxLength: 8, size: 'max' },
  ),
})

describe('a remembered denial', () => {
  it(
    'holds only while the store would still deny, and never promises a shorter wait',
    () => {
      fc.assert(
        fc.property(denial, drawn => {
          const { asked, bucket, oracle, decidedAt } = givenSpentBucket(drawn)
          fc.pre(decidedAt < LAST_YEAR_MS)
          let now = decidedAt - drawn.wayThere
          const cache = new DenialCache(() => now)
          const sentAt = now
          const { reading } = checkBucket(bucket, asked.policy.limits, asked.tokens, Math.floor(decidedAt))
          const { retryAfterMs } = decideByBucket(asked, reading, 'redis')
          fc.pre(!reading.allowed && retryAfterMs !== null)
          const receivedAt = decidedAt + drawn.wayBack
          now = receivedAt
          cache.remember(asked, reading, Number(retryAfterMs), sentAt)

          for (const moment of drawn.repeated) {
            const end = sentAt + Number(retryAfterMs)
            now = 'afterReply' in moment ? receivedAt + moment.afterReply : end - moment.beforeEnd
            if (now < receivedAt) continue
            const recalled = cache.recall(asked)
            if (recalled === undefined)
              expect(now).toBeGreaterThanOrEqual(sentAt + Math.min(Number(retryAfterMs) - 1, 1_000))
            else
              expectNoBetter(
                answerOf(asked, recalled),
                oracle.check(asked.policy.definition.limits, asked.tokens, Math.floor(now)),
              )
          }
        }),
        runs(1_000, 50_000),
      )
    },
    PROPERTY_TIMEOUT_MS,
  )
})

interface Drawn {
  readonly limits: readonly Limit[]
  readonly spent: number
  readonly wanted: number
  readonly early: number
  readonly setBackMs: number
}

/** A bucket that was spent from, in the service's arithmetic and in the oracle's, and when the store decides. */
function givenSpentBucket({ limits, spent, wanted, early, setBackMs }: Drawn) {
  const policy = compilePolicy('x', 1, { limits, mode: 'enforce' })
  const smallest = Math.min(...limits.map(({ capacity }) => capacity))
  const part = (of4: number) => Math.ceil((smallest * of4) / 4)
  const oracle = new BucketOracle()
  oracle.check(limits, part(spent), START_MS)
  const { bucket } = checkBucket(undefined, policy.limits, part(spent), START_MS)
  const asked = { key: 'x', policy, tokens: part(wanted) }
  const { reading } = checkBucket(bucket, policy.limits, asked.tokens, START_MS)
  const { retryAfterMs } = decideByBucket(asked, reading, 'redis')
  const decidedAt = START_MS + Math.max(0, Number(retryAfterMs) - early) - setBackMs
  return { asked, bucket, oracle, decidedAt }
}

function expectNoBetter(recalled: Answer, exact: Answer): void {
  expect([recalled.allowed, exact.allowed]).toEqual([false, false])
  for (const [i, limit] of recalled.limits.entries()) {
    const { remaining = 0, retryAfterMs = 0, resetAfterMs = 0 } = exact.limits[i] ?? {}
    expect(limit.remaining).toBeLessThanOrEqual(remaining)
    expect(limit.retryAfterMs).toBeGreaterThanOrEqual(retryAfterMs ?? 0)
    expect(limit.resetAfterMs).toBeGreaterThanOrEqual(resetAfterMs)
  }
}
