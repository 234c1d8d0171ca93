import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { LocalBuckets } from '../../src/check/local-buckets.ts'
import { type Decision, decideByBucket } from '../../src/domain/decision.ts'
import type { TokenBucketLimit } from '../../src/domain/limits/token-bucket.ts'
import { compilePolicy } from '../../src/domain/policy.ts'
import { tokenBuckets as limits } from '../support/arbitrary-limits.ts'
import { Fraction } from '../support/fraction.ts'
import { PROPERTY_TIMEOUT_MS, runs } from '../support/property-runs.ts'

const HOUR_MS = 3_600_000

/** Beyond this, a clock cannot count whole milliseconds. */
const MAX_CLOCK_MS = Number.MAX_SAFE_INTEGER

/** A part of the smallest capacity. */
const part = fc.oneof(fc.constantFrom(0, 0.25, 0.5, 1), fc.double({ min: 0, max: 1, noNaN: true }))
const tokens = fc.oneof(
  fc.constantFrom(0, 1, 1, 2).map(count => ({ count })),
  part.map(part => ({ part })),
)
/** How the clock moves before a check: by a number of ms, or by the retryAfterMs that the same process returns. */
const move = fc.oneof(
  fc.constantFrom(0, 0, 1),
  fc.nat(20_000),
  fc.nat(100 * HOUR_MS),
  fc.constant('until allowed' as const),
)
const check = fc.record({ move, process: fc.nat(511), tokens })
const outage = fc.record({
  limits,
  overdraft: fc.constantFrom(undefined, undefined, true as const),
  processes: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constant(512)),
  checks: fc.array(check, { maxLength: 60, size: 'max' }),
})

describe('processes that cannot ask the store', () => {
  it(
    'admit at most max(⌈capacity ÷ N⌉, the largest check) + refill·T ÷ N each, for N processes in a time T',
    () => {
      fc.assert(
        fc.property(outage, ({ limits, overdraft, processes, checks }) => {
          const fleet = new Fleet(limits, processes, overdraft)
          for (const check of checks) {
            const { allowed } = fleet.after(check)
            fc.pre(fleet.nowMs <= MAX_CLOCK_MS)
            const admitted = new Fraction(fleet.tallyOf(check.process).admitted)
            if (allowed)
              for (const limit of limits) expect(boundOf(limit, fleet, check.process).isBelow(admitted)).toBe(false)
          }
        }),
        runs(400, 50_000),
      )
    },
    PROPERTY_TIMEOUT_MS,
  )

  it(
    'together admit ⌈capacity ÷ N⌉ × N checks of one token, for N processes',
    () => {
      const capacity = fc.integer({ min: 1, max: 300 })
      fc.assert(
        fc.property(capacity, fc.integer({ min: 1, max: 9 }), (capacity, processes) => {
          const fleet = new Fleet([{ name: 'x', capacity, refillTokens: 1, refillIntervalMs: HOUR_MS }], processes)
          const checks = Array.from({ length: 2 * capacity + 2 * processes }, (_, i) => fleet.check(i % processes, 1))
          const admitted = checks.filter(({ allowed }) => allowed)
          expect(admitted).toHaveLength(Math.ceil(capacity / processes) * processes)
        }),
        runs(100, 2_000),
      )
    },
    PROPERTY_TIMEOUT_MS,
  )

  it(
    'allow an only caller that waits retryAfterMs, and have full buckets after resetAfterMs, in debt or not',
    () => {
      fc.assert(
        fc.property(outage, tokens, ({ limits, overdraft, processes, checks }, wanted) => {
          const fleet = new Fleet(limits, processes, overdraft)
          for (const check of checks.slice(0, 12)) fleet.after({ ...check, process: 0 })
          const asked = fleet.tokens(wanted)
          const { binding, resetAfterMs, retryAfterMs } = fleet.check(0, asked)
          fc.pre(fleet.nowMs + Number(retryAfterMs) + Number(resetAfterMs) <= MAX_CLOCK_MS)
          if (retryAfterMs !== 0) {
            fleet.nowMs += Number(retryAfterMs)
            expect(fleet.check(0, asked).allowed).toBe(true)
          } else {
            fleet.nowMs += Number(resetAfterMs)
            const found = fleet.check(0, 0).states.find(({ limit }) => limit.name === binding?.name)
            expect(found?.resetAfterMs).toBe(0)
          }
        }),
        runs(400, 50_000),
      )
    },
    PROPERTY_TIMEOUT_MS,
  )
})

type Wish = { readonly count: number } | { readonly part: number }

interface Check {
  readonly move: number | 'until allowed'
  readonly process: number
  readonly tokens: Wish
}

/** What one process admitted since it was first asked. */
interface Tally {
  readonly sinceMs: number
  readonly admitted: bigint
  readonly largest: bigint
}

/** Several processes, one policy and one key. */
class Fleet {
  nowMs = 0
  readonly size: number
  readonly #policy
  readonly #processes: readonly LocalBuckets[]
  readonly #tallies = new Map<number, Tally>()

  constructor(limits: readonly TokenBucketLimit[], size: number, overdraft?: true) {
    this.size = size
    this.#policy = compilePolicy('x', 1, { limits, mode: 'enforce', ...(overdraft && { overdraft }) })
    const now = () => this.nowMs
    const outage = {
      get elapsedMs() {
        return now()
      },
      isRunning: true,
      refillPausedMs: 0,
    }
    const options = {
      calendarNow: Date.now,
      processes: () => size,
      outageOf: () => outage,
      now,
    }
    this.#processes = Array.from({ length: size }, () => new LocalBuckets(options))
  }

  tokens(wish: Wish): number {
    const most = Math.min(...this.#policy.limits.map(({ capacity }) => capacity))
    return Math.min(most, 'count' in wish ? wish.count : Math.ceil(wish.part * most))
  }

  /** Moves the clock, then checks. */
  after({ move, process, tokens }: Check): Decision {
    const asked = this.tokens(tokens)
    if (move !== 'until allowed') this.nowMs += move
    const decision = this.check(process, asked)
    if (move !== 'until allowed' || decision.allowed) return decision
    this.nowMs += Number(decision.retryAfterMs)
    return this.check(process, asked)
  }

  check(process: number, tokens: number): Decision {
    const asked = { key: 'x', policy: this.#policy, tokens }
    const local = this.#processes[process % this.size] as LocalBuckets
    const { reading, counted } = local.check(asked)
    const decision = decideByBucket(asked, reading, 'local', counted)
    this.#tally(process, decision.allowed ? BigInt(tokens) : 0n)
    return decision
  }

  #tally(process: number, tokens: bigint): void {
    const { sinceMs, admitted, largest } = this.tallyOf(process)
    const next = { sinceMs, admitted: admitted + tokens, largest: tokens > largest ? tokens : largest }
    this.#tallies.set(process % this.size, next)
  }

  tallyOf(process: number): Tally {
    return this.#tallies.get(process % this.size) ?? { sinceMs: this.nowMs, admitted: 0n, largest: 0n }
  }
}

function boundOf(
  { capacity, refillTokens, refillIntervalMs }: TokenBucketLimit,
  fleet: Fleet,
  process: number,
): Fraction {
  const processes = BigInt(fleet.size)
  const { sinceMs, largest } = fleet.tallyOf(process)
  const share = (BigInt(capacity) + processes - 1n) / processes
  const refilled = new Fraction(
    BigInt(refillTokens) * BigInt(fleet.nowMs - sinceMs),
    processes * BigInt(refillIntervalMs),
  )
  return new Fraction(largest > share ? largest : share).plus(refilled)
}
