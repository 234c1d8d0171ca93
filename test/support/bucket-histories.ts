import fc from 'fast-check'
import { compilePolicy, type Limit, type Policy } from '../../src/domain/policy.ts'
import { type Answer, BucketOracle } from './bucket-oracle.ts'

/** How the clock moves: by so much, or to where the last answer said that something would happen, give or take. */
type Move =
  | { readonly by: number }
  | { readonly until: 'retryAfterMs' | 'resetAfterMs' | 'nextTokenAfterMs'; readonly plus: number }

/** How many tokens a check asks for: so many, quarters of the smallest capacity, or what is left, give or take. */
type Wish = { readonly tokens: number } | { readonly quarters: number } | { readonly ofWhatIsLeft: number }

interface Batch {
  readonly move: Move
  readonly checks: readonly { readonly key: string; readonly policy: number; readonly wish: Wish }[]
}

/** What happens to a few buckets: policies that alternate, batches of checks, and the clock between them. */
export interface History {
  readonly policies: readonly (readonly Limit[])[]
  readonly batches: readonly Batch[]
}

/** One batch with everything decided: when, what is asked, and what the oracle answers. */
export interface Step {
  readonly nowMs: number
  readonly checks: readonly {
    readonly key: string
    readonly policy: Policy
    readonly tokens: number
    readonly expected: Answer
  }[]
  /** For each key, when it is forgotten after this step. */
  readonly forgottenAtMs: ReadonlyMap<string, bigint | undefined>
}

export const START_MS = 1_760_000_000_123
const SECOND = 1_000
const DAY = 86_400 * SECOND
const YEAR = 365 * DAY
const MOST_TOKENS = 1_000_000_000

type Rate = Pick<Limit, 'refillTokens' | 'refillIntervalMs'>

const extremeRates: Rate[] = [
  { refillTokens: 1, refillIntervalMs: 31 * DAY },
  { refillTokens: MOST_TOKENS, refillIntervalMs: 1 },
  { refillTokens: 999_999_937, refillIntervalMs: 8_640_000 },
  // 441,650,591 × 20,394,401 = 2^53 − 1: the most units that there can be.
  { refillTokens: 1, refillIntervalMs: 20_394_401 },
  { refillTokens: 999_999_937, refillIntervalMs: 31 * DAY },
]

// Few enough that two policies often count by the same fraction of a token, or have the very same rate.
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

function divisorOf(a: bigint, b: bigint): bigint {
  return b === 0n ? a : divisorOf(b, a % b)
}

/** A limit that `policyFaults` accepts, sometimes only just. */
export const limit: fc.Arbitrary<Limit> = fc
  .record({ name: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'), rate, capacity })
  .map(drawn => ({ name: drawn.name, ...drawn.rate, capacity: Math.min(drawn.capacity, largestCapacity(drawn.rate)) }))

const upToLimits = (maxLength: number) =>
  fc.uniqueArray(limit, { selector: ({ name }) => name, minLength: 1, maxLength, size: 'max' })

/** The limits of a policy. */
export const limits = fc.oneof({ weight: 3, arbitrary: upToLimits(3) }, { weight: 1, arbitrary: upToLimits(8) })

const move: fc.Arbitrary<Move> = fc.oneof(
  fc.record({ by: fc.constantFrom(0, 0, 1) }),
  fc.record({ by: fc.integer({ min: 1, max: 50 }) }),
  fc.record({ by: fc.integer({ min: 1, max: 20_000 }) }),
  fc.record({ by: fc.constantFrom(DAY, 31 * DAY, YEAR, 40 * YEAR) }),
  fc.record({ by: fc.integer({ min: -10_000, max: -1 }) }),
  fc.record({ by: fc.constantFrom(-9_999, -10_000, -10_001, -DAY, -YEAR) }),
  fc.record({
    until: fc.constantFrom('retryAfterMs', 'resetAfterMs', 'nextTokenAfterMs'),
    plus: fc.constantFrom(-1, 0, 0, 1, 3),
  }),
)

const wish: fc.Arbitrary<Wish> = fc.oneof(
  fc.record({ tokens: fc.constantFrom(0, 1, 1, 2) }),
  fc.record({ tokens: fc.integer({ min: 0, max: MOST_TOKENS }) }),
  fc.record({ quarters: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ ofWhatIsLeft: fc.constantFrom(-1, 0, 1) }),
)

export const history: fc.Arbitrary<History> = fc.record({
  policies: fc.array(limits, { minLength: 1, maxLength: 4, size: 'max' }),
  batches: fc.array(
    fc.record({
      move,
      checks: fc.array(fc.record({ key: fc.constantFrom('x', 'x', 'y', 'z'), policy: fc.nat(3), wish }), {
        minLength: 1,
        maxLength: 3,
        size: 'max',
      }),
    }),
    { minLength: 1, maxLength: 30, size: 'max' },
  ),
})

/** Plays a history to the oracle. */
export function play({ policies, batches }: History): Step[] {
  const compiled = policies.map((definition, i) => compilePolicy(`p${i}`, 1, { limits: definition, mode: 'enforce' }))
  const oracles = new Map<string, BucketOracle>()
  const oracleOf = (key: string) => oracles.get(key) ?? oracles.set(key, new BucketOracle()).get(key) ?? never()
  let nowMs = START_MS
  let last: Answer | undefined
  return batches.map(batch => {
    nowMs = Math.max(0, nowMs + distance(batch.move, last))
    const checks = batch.checks.map(({ key, policy: index, wish }) => {
      const policy = compiled[index % compiled.length] ?? never()
      const tokens = tokensOf(wish, policy.limits, oracleOf(key), nowMs)
      const expected = oracleOf(key).check(policy.limits, tokens, nowMs)
      last = expected
      return { key, policy, tokens, expected }
    })
    return { nowMs, checks, forgottenAtMs: new Map([...oracles].map(([key, oracle]) => [key, oracle.forgottenAtMs])) }
  })
}

/** Years are enough: beyond 40 of them a waiting time is not waited for. */
function distance(move: Move, last: Answer | undefined): number {
  if ('by' in move) return move.by
  const binding = last?.limits.find(({ name }) => name === last.binding)
  return Math.min((binding?.[move.until] ?? 0) + move.plus, 40 * YEAR)
}

function tokensOf(wish: Wish, limits: readonly Limit[], oracle: BucketOracle, nowMs: number): number {
  if ('tokens' in wish) return wish.tokens
  const tokens =
    'quarters' in wish
      ? Math.ceil((Math.min(...limits.map(({ capacity }) => capacity)) * wish.quarters) / 4)
      : Math.min(...oracle.check(limits, 0, nowMs).limits.map(({ remaining }) => remaining)) + wish.ofWhatIsLeft
  return Math.min(Math.max(tokens, 0), MOST_TOKENS)
}

function never(): never {
  throw new Error('a history has at least one policy')
}
