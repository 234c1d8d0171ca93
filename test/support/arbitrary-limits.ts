import fc from 'fast-check'
import type { ConcurrencyLimit } from '../../src/domain/limits/concurrency.ts'
import type { Limit } from '../../src/domain/limits/limit.ts'
import { isFixed, PERIODS, type QuotaLimit } from '../../src/domain/limits/quota.ts'
import type { TokenBucketLimit } from '../../src/domain/limits/token-bucket.ts'
import { divisorOf } from './fraction.ts'

const SECOND = 1_000
export const DAY = 86_400 * SECOND
export const MOST_TOKENS = 1_000_000_000

type Rate = Pick<TokenBucketLimit, 'refillTokens' | 'refillIntervalMs'>

const extremeRates: Rate[] = [
  { refillTokens: 1, refillIntervalMs: 31 * DAY },
  { refillTokens: MOST_TOKENS, refillIntervalMs: 1 },
  { refillTokens: 999_999_937, refillIntervalMs: 8_640_000 },
  // 441,650,591 × 20,394,401 = 2^53 − 1: the largest number of units.
  { refillTokens: 1, refillIntervalMs: 20_394_401 },
  { refillTokens: 999_999_937, refillIntervalMs: 31 * DAY },
]

// Few enough that two policies often have the same unit, or the same rate.
const smallRate = fc.record({
  refillTokens: fc.constantFrom(1, 2, 3, 5, 7),
  refillIntervalMs: fc.constantFrom(1, 2, 3, 10, 14, SECOND),
})
const anyRate = fc.record({
  refillTokens: fc.integer({ min: 1, max: MOST_TOKENS }),
  refillIntervalMs: fc.integer({ min: 1, max: 31 * DAY }),
})
const rate = fc.oneof(
  { weight: 4, arbitrary: smallRate },
  { weight: 2, arbitrary: fc.constantFrom(...extremeRates) },
  { weight: 1, arbitrary: anyRate },
)

const capacity = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 12 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: MOST_TOKENS }) },
  { weight: 1, arbitrary: fc.constant(MOST_TOKENS) },
)

/** The largest capacity that the exactness rule accepts at this rate. */
export function largestCapacity({ refillTokens, refillIntervalMs }: Rate): number {
  const largest =
    (2n ** 53n - 1n) / (BigInt(refillIntervalMs) / divisorOf(BigInt(refillTokens), BigInt(refillIntervalMs)))
  return Math.min(Number(largest), MOST_TOKENS)
}

const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h')

/** A token bucket that `policyFaults` accepts, sometimes only just. */
export const tokenBucket: fc.Arbitrary<TokenBucketLimit> = fc
  .record({ name, rate, capacity })
  .map(({ name, rate, capacity }) => exact({ name, ...rate, capacity }))

/** The limit, with its capacity reduced to what can be counted exactly. */
function exact(limit: TokenBucketLimit): TokenBucketLimit {
  return { ...limit, capacity: Math.min(limit.capacity, largestCapacity(limit)) }
}

const period = fc.constantFrom(...PERIODS)
/** Clock changes of a whole, a half and no hour, offsets with a quarter of an hour, and a zone that skipped a day. */
const timeZone = fc.constantFrom(
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'Pacific/Chatham',
  'Pacific/Apia',
)
/** Days that not every month has, and local times that a clock change skips or repeats. */
const anchor = fc.option(
  fc.constantFrom(
    '2026-01-31T09:00',
    '2024-02-29T00:00',
    '2026-03-29T02:30',
    '2025-10-26T02:30',
    '2026-04-05T01:45',
    '1999-12-31T23:59',
  ),
  { nil: undefined },
)
const calendar = fc.record({ period, timeZone, anchor })
type Calendar = typeof calendar extends fc.Arbitrary<infer T> ? T : never

const quota: fc.Arbitrary<QuotaLimit> = fc
  .record({ name, capacity, calendar })
  .map(({ name, capacity, calendar }) => quotaOf({ name, capacity }, calendar))

function quotaOf({ name, capacity }: Pick<Limit, 'name' | 'capacity'>, calendar: Calendar): QuotaLimit {
  const { period, timeZone, anchor } = calendar
  const local = isFixed(period) ? {} : { timeZone, ...(anchor !== undefined && { anchor }) }
  return { name, kind: 'quota', capacity, period, ...local }
}

const concurrency: fc.Arbitrary<ConcurrencyLimit> = fc.record({
  name,
  kind: fc.constant('concurrency'),
  capacity: fc.constantFrom(1, 1, 2, 4),
})

const enforcedLimit: fc.Arbitrary<Limit> = fc.oneof(
  { weight: 8, arbitrary: tokenBucket },
  { weight: 2, arbitrary: quota },
  { weight: 1, arbitrary: concurrency },
)
const limit: fc.Arbitrary<Limit> = fc.oneof(
  { weight: 3, arbitrary: enforcedLimit },
  { weight: 1, arbitrary: enforcedLimit.map(inShadow) },
)

function inShadow(limit: Limit): Limit {
  return { ...limit, shadow: true }
}

function outOfShadow({ shadow: _, ...limit }: Limit): Limit {
  return limit
}

/** A policy has at least one limit that is enforced. */
function withOneEnforced(limits: readonly Limit[]): readonly Limit[] {
  const [first = never(), ...others] = limits
  return limits.every(({ shadow }) => shadow) ? [outOfShadow(first), ...others] : limits
}

function upToLimits<L extends Limit>(limit: fc.Arbitrary<L>, maxLength: number) {
  return fc.uniqueArray(limit, { selector: ({ name }) => name, minLength: 1, maxLength, size: 'max' })
}

function listOf<L extends Limit>(limit: fc.Arbitrary<L>) {
  return fc.oneof({ weight: 3, arbitrary: upToLimits(limit, 3) }, { weight: 1, arbitrary: upToLimits(limit, 8) })
}

/** The limits of a policy. */
export const limits: fc.Arbitrary<readonly Limit[]> = listOf(limit).map(withOneEnforced)
export const tokenBuckets = listOf(tokenBucket)
export const quotas = listOf(quota)
const concurrencies = upToLimits(concurrency, 2)

/** How a limit changes: some of its members, its kind under the same name, or whether it is in shadow. */
const alteration: fc.Arbitrary<(limit: Limit) => Limit> = fc.oneof(
  fc.constant((limit: Limit) => limit),
  capacity.map(capacity => (limit: Limit) => ({ ...limit, capacity })),
  smallRate.map(
    ({ refillTokens }) =>
      (limit: Limit) =>
        limit.kind === undefined ? { ...limit, refillTokens } : limit,
  ),
  rate.map(rate => ({ name, capacity }: Limit) => ({ name, capacity, ...rate })),
  calendar.map(calendar => (limit: Limit) => quotaOf(limit, calendar)),
  fc.constant((limit: Limit) => (limit.shadow ? outOfShadow(limit) : inShadow(limit))),
)

function exactOrQuota(limit: Limit): Limit {
  return limit.kind === undefined ? exact(limit) : limit
}

/** How an operator changes limits: to others, or to the same ones reordered, without some, and with one altered. */
const change = fc.oneof(
  limits.map(others => () => others),
  fc
    .record({ kept: fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 5 }), alter: alteration })
    .map(({ kept, alter }) => (before: readonly Limit[]) => {
      const [first = before[0] ?? never(), ...others] = kept.flatMap(i => before[i] ?? [])
      return withOneEnforced([exactOrQuota(alter(first)), ...others])
    }),
)

/** The limits of a policy before and after each of its changes. */
export const policies = changing(limits)

/** The same, often of a policy that has only concurrency limits at first. */
export const policiesOfReservations = fc.oneof(
  { weight: 5, arbitrary: policies },
  { weight: 1, arbitrary: changing(concurrencies) },
)

function changing(limits: fc.Arbitrary<readonly Limit[]>) {
  return fc
    .tuple(limits, fc.array(change, { maxLength: 3, size: 'max' }))
    .map(([first, changes]) => [first, ...changes.map(changed => changed(first))])
}

function never(): never {
  throw new Error('a policy has at least one limit')
}
