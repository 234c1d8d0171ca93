import fc from 'fast-check'
import type { Limit } from '../../src/domain/limits/limit.ts'
import { divisorOf } from './fraction.ts'

const SECOND = 1_000
export const DAY = 86_400 * SECOND
export const MOST_TOKENS = 1_000_000_000

type Rate = Pick<Limit, 'refillTokens' | 'refillIntervalMs'>

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

/** A limit that `policyFaults` accepts, sometimes only just. */
export const limit: fc.Arbitrary<Limit> = fc
  .record({ name: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'), rate, capacity })
  .map(({ name, rate, capacity }) => exact({ name, ...rate, capacity }))

/** The limit, with its capacity reduced to what can be counted exactly. */
function exact(limit: Limit): Limit {
  return { ...limit, capacity: Math.min(limit.capacity, largestCapacity(limit)) }
}

const upToLimits = (maxLength: number) =>
  fc.uniqueArray(limit, { selector: ({ name }) => name, minLength: 1, maxLength, size: 'max' })

/** The limits of a policy. */
export const limits = fc.oneof({ weight: 3, arbitrary: upToLimits(3) }, { weight: 1, arbitrary: upToLimits(8) })

/** The members of a limit that change. */
const alteration: fc.Arbitrary<Partial<Limit>> = fc.oneof(
  fc.constant({}),
  fc.record({ capacity }),
  smallRate.map(({ refillTokens }) => ({ refillTokens })),
  rate,
)

/** How an operator changes limits: to others, or to the same ones reordered, without some, and with one altered. */
const change = fc.oneof(
  limits.map(others => () => others),
  fc
    .record({ kept: fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 5 }), altered: alteration })
    .map(({ kept, altered }) => (before: readonly Limit[]) => {
      const [first = before[0] ?? never(), ...others] = kept.flatMap(i => before[i] ?? [])
      return [exact({ ...first, ...altered }), ...others]
    }),
)

/** The limits of a policy before and after each of its changes. */
export const policies = fc
  .tuple(limits, fc.array(change, { maxLength: 3, size: 'max' }))
  .map(([first, changes]) => [first, ...changes.map(changed => changed(first))])

function never(): never {
  throw new Error('a policy has at least one limit')
}
