import fc from 'fast-check'
import type { Limit } from '../../src/domain/limits/limit.ts'
import { compilePolicy, type Policy } from '../../src/domain/policy.ts'
import { DAY, MOST_TOKENS, policies } from './arbitrary-limits.ts'
import { type Answer, BucketOracle } from './bucket-oracle.ts'

/** How the clock moves: by a number of ms, to a moment, or by a waiting time in the last answer, plus or minus a few ms. */
type Move =
  | { readonly by: number }
  | { readonly to: number }
  | { readonly until: 'retryAfterMs' | 'resetAfterMs' | 'nextTokenAfterMs'; readonly plus: number }

/** The tokens of a check: a number, quarters of the smallest capacity, or about the remaining tokens. */
type Wish = { readonly tokens: number } | { readonly quarters: number } | { readonly ofWhatIsLeft: number }

interface Batch {
  readonly move: Move
  /** How far the clock of the front process is ahead of the store's, in ms. */
  readonly frontAheadMs?: number
  readonly checks: readonly Wanted[]
}

interface Wanted {
  readonly key: string
  readonly policy: number
  readonly wish: Wish
  /** The tokens are given back. */
  readonly givesBack?: boolean
}

/** A history of a few buckets: alternating policies, batches of checks, and moves of the clock between them. */
export interface History {
  readonly policies: readonly (readonly Limit[])[]
  /** For each policy, whether it has overdraft. If absent, none has. */
  readonly overdrafts?: readonly boolean[]
  readonly batches: readonly Batch[]
}

/** One batch with its time, its checks and the answers of the oracle. */
export interface Step {
  readonly nowMs: number
  /** The time by the clock of the front process. */
  readonly frontNowMs: number
  readonly checks: readonly {
    readonly key: string
    readonly policy: Policy
    readonly tokens: number
    readonly expected: Answer
  }[]
  /** For each key, when its bucket is forgotten after this step. */
  readonly forgottenAtMs: ReadonlyMap<string, bigint | undefined>
}

export const START_MS = 1_760_000_000_123
const YEAR = 365 * DAY

/** Moments around which periods begin or clocks change: UTC, Berlin, New York, Lord Howe, Chatham, and the day that Apia skipped. */
const MOMENTS = [
  '2026-01-01T00:00Z',
  '2026-02-28T00:00Z',
  '2028-02-29T00:00Z',
  '2026-03-29T01:00Z',
  '2026-10-25T01:00Z',
  '2026-11-01T06:00Z',
  '2026-04-04T15:00Z',
  '2026-10-03T15:30Z',
  '2026-09-26T14:00Z',
  '2011-12-30T10:00Z',
].map(Date.parse)

const move: fc.Arbitrary<Move> = fc.oneof(
  fc.record({ by: fc.constantFrom(0, 0, 1) }),
  fc.record({ by: fc.integer({ min: 1, max: 50 }) }),
  fc.record({ by: fc.integer({ min: 1, max: 20_000 }) }),
  fc.record({ by: fc.constantFrom(DAY, 31 * DAY, YEAR, 40 * YEAR) }),
  fc.record({ by: fc.integer({ min: -10_000, max: -1 }) }),
  fc.record({ by: fc.constantFrom(-9_999, -10_000, -10_001, -DAY, -YEAR) }),
  fc.tuple(fc.constantFrom(...MOMENTS), fc.integer({ min: -90_000_000, max: 90_000_000 })).map(([moment, plus]) => ({
    to: moment + plus,
  })),
  fc.record({
    until: fc.constantFrom('retryAfterMs', 'resetAfterMs', 'nextTokenAfterMs'),
    plus: fc.constantFrom(-1, 0, 0, 1, 3),
  }),
)

const wish: fc.Arbitrary<Wish> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ tokens: fc.constantFrom(0, 1, 1, 2) }) },
  { weight: 1, arbitrary: fc.record({ tokens: fc.integer({ min: 0, max: MOST_TOKENS }) }) },
  { weight: 3, arbitrary: fc.record({ quarters: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 3, arbitrary: fc.record({ ofWhatIsLeft: fc.constantFrom(-1, 0, 1) }) },
)

export const history: fc.Arbitrary<History> = fc.record({ policies, batches: batchesOf({}) })

/** The same with policies that have overdraft, and with tokens that are given back. */
export const historyOfDebts: fc.Arbitrary<History> = fc.record({
  policies,
  overdrafts: fc.array(fc.boolean(), { minLength: 4, maxLength: 4, size: 'max' }),
  batches: batchesOf({ givesBack: fc.constantFrom(false, false, false, true) }),
})

/** @param more members of the checks */
function batchesOf(more: { readonly givesBack?: fc.Arbitrary<boolean> }): fc.Arbitrary<Batch[]> {
  const check = fc.record({ key: fc.constantFrom('x', 'x', 'y', 'z'), policy: fc.nat(3), wish, ...more })
  return fc.array(
    fc.record({
      move,
      frontAheadMs: fc.constantFrom(0, 0, 60_000, -60_000, DAY, -DAY),
      checks: fc.array(check, { minLength: 1, maxLength: 3, size: 'max' }),
    }),
    { minLength: 1, maxLength: 30, size: 'max' },
  )
}

/** Runs a history through the oracle. */
export function play({ policies, overdrafts, batches }: History): Step[] {
  const compiled = compiledPolicies(policies, overdrafts)
  const oracles = new Map<string, BucketOracle>()
  const oracleOf = (key: string) => oracles.get(key) ?? oracles.set(key, new BucketOracle()).get(key) ?? never()
  let nowMs = START_MS
  let last: Answer | undefined
  return batches.map(batch => {
    nowMs = Math.max(0, 'to' in batch.move ? batch.move.to : nowMs + distance(batch.move, last))
    const checks = batch.checks.map(({ key, policy: index, wish, givesBack = false }) => {
      const policy = compiled[index % compiled.length] ?? never()
      const amount = tokensOf(wish, policy.definition.limits, oracleOf(key), nowMs)
      const tokens = givesBack && amount > 0 ? -amount : amount
      const expected = answerTo(oracleOf(key), policy, tokens, nowMs)
      last = expected
      return { key, policy, tokens, expected }
    })
    const forgottenAtMs = new Map([...oracles].map(([key, oracle]) => [key, oracle.forgottenAtMs]))
    return { nowMs, frontNowMs: Math.max(0, nowMs + (batch.frontAheadMs ?? 0)), checks, forgottenAtMs }
  })
}

/** Policies of a history, some of them with overdraft. */
export function compiledPolicies(policies: History['policies'], overdrafts: readonly boolean[] = []): Policy[] {
  return policies.map((limits, i) =>
    compilePolicy(`p${i}`, 1, { limits, mode: 'enforce', ...(overdrafts[i] && { overdraft: true as const }) }),
  )
}

/** What a check gets: tokens below 0 are given back, and a policy with overdraft charges denied checks. */
export function answerTo(oracle: BucketOracle, { definition }: Policy, tokens: number, nowMs: number): Answer {
  const { limits, overdraft } = definition
  if (tokens < 0) return oracle.giveBack(limits, -tokens, nowMs)
  return overdraft && tokens > 0 ? oracle.overdraw(limits, tokens, nowMs) : oracle.check(limits, tokens, nowMs)
}

/** The move in ms. A waiting time of more than 40 years is cut to that. */
function distance(move: Exclude<Move, { to: number }>, last: Answer | undefined): number {
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
