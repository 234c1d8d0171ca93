import fc from 'fast-check'
import type { Amounts, BucketCheck, CheckGroup, Extension, HoldRequest, Settlement } from '../../src/check/ports.ts'
import type { Limit } from '../../src/domain/limits/limit.ts'
import type { Policy } from '../../src/domain/policy.ts'
import { type ReservationId, reservationId } from '../../src/domain/reservation-id.ts'
import { DAY, MOST_TOKENS, policiesOfReservations } from './arbitrary-limits.ts'
import { answerTo, compiledPolicies, START_MS } from './bucket-histories.ts'
import { type Outcome, ReservationOracle } from './reservation-oracle.ts'

/** A call of a store, at a time by the store's clock. */
export type Call = { readonly nowMs: number } & (
  | { readonly what: 'check'; readonly check: BucketCheck }
  | { readonly what: 'group'; readonly group: CheckGroup }
  | { readonly what: 'settle'; readonly settlement: Settlement }
  | { readonly what: 'extend'; readonly extension: Extension }
  | { readonly what: 'read'; readonly id: ReservationId }
  | { readonly what: 'reset'; readonly key: string }
)

/** The number of the reservation that was made last. */
const LAST = -1

/** How the clock moves: by a number of ms, to a moment, until a deadline, or until ten minutes after it, plus or minus a few ms. */
type Move =
  | { readonly by: number }
  | { readonly to: number }
  | { readonly until: 'deadline' | 'forgotten'; readonly of: number; readonly plus: number }

type Wish = { readonly tokens: number } | { readonly quarters: number }
/** A group with a hold. */
interface Reserving extends CheckGroup {
  readonly hold: HoldRequest
}

interface WishedCheck {
  readonly key: string
  readonly policy: number
  readonly wish: Wish
  readonly shadowed: boolean
}

type Deed =
  | { readonly what: 'check'; readonly check: WishedCheck; readonly givesBack: boolean }
  | { readonly what: 'group'; readonly checks: readonly WishedCheck[] }
  | {
      readonly what: 'reserve'
      readonly checks: readonly WishedCheck[]
      readonly ttlMs: number
      readonly onExpiry: 'charge' | 'release'
      /** Repeats an earlier request, or uses its id for another one. */
      readonly repeats?: { readonly of: number; readonly isSame: boolean } | undefined
      readonly unheld: boolean
    }
  | { readonly what: 'settle'; readonly of: number; readonly policy: number; readonly amount: Amount }
  | { readonly what: 'extend'; readonly of: number; readonly ttlMs?: number | undefined }
  | { readonly what: 'read'; readonly of: number }
  | { readonly what: 'reset'; readonly key: string }

type Amount = 'reserved' | 'release' | 'half' | 'double' | 'zero' | 'each' | 'others' | { readonly tokens: number }

export interface ReservationHistory {
  readonly policies: readonly (readonly Limit[])[]
  /** For each policy, whether it has overdraft. */
  readonly overdrafts: readonly boolean[]
  readonly startMs: number
  readonly deeds: readonly { readonly move: Move; readonly deed: Deed }[]
}

/** Starts shortly before midnights, months and changes of the clock. */
const STARTS = ['2026-02-27T20:00Z', '2026-03-28T22:00Z', '2026-10-24T20:00Z', '2026-12-31T12:00Z', '2026-04-04T13:30Z']

const forward: fc.Arbitrary<Move> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ by: fc.constantFrom(0, 0, 1, 700) }) },
  { weight: 3, arbitrary: fc.record({ by: fc.integer({ min: 1, max: 20_000 }) }) },
  { weight: 1, arbitrary: fc.record({ by: fc.constantFrom(600_000, 3_600_000, DAY) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      until: fc.constantFrom<'deadline' | 'forgotten'>('deadline', 'deadline', 'forgotten'),
      of: fc.nat(20),
      plus: fc.constantFrom(-1, 0, 0, 1),
    }),
  },
)
const backward: fc.Arbitrary<Move> = fc.record({
  by: fc.oneof(fc.integer({ min: -10_000, max: -1 }), fc.constantFrom(-10_000, -10_001, -60_000)),
})
const anyMove = fc.oneof({ weight: 9, arbitrary: forward }, { weight: 1, arbitrary: backward })

const wish: fc.Arbitrary<Wish> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ tokens: fc.constantFrom(0, 1, 1, 2, 5) }) },
  { weight: 1, arbitrary: fc.record({ tokens: fc.integer({ min: 0, max: MOST_TOKENS }) }) },
  { weight: 3, arbitrary: fc.record({ quarters: fc.integer({ min: 1, max: 4 }) }) },
)
const wished = fc.record({
  key: fc.constantFrom('{a}x', '{a}x', '{a}y', '{a}z'),
  policy: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(3) }),
  wish,
  shadowed: fc.constantFrom(false, false, false, true),
})
const together = fc.uniqueArray(wished, { selector: ({ key }) => key, minLength: 1, maxLength: 3 })
const ttlMs = fc.oneof(fc.constantFrom(1_000, 1_001, 60_000, DAY), fc.integer({ min: 1_000, max: 30_000 }))
const of = fc.nat(20)

const seldom = fc.constantFrom(false, false, false, false, true)

const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ what: fc.constant('check'), check: wished, givesBack: seldom }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('group'), checks: together }) },
  {
    weight: 6,
    arbitrary: fc.record({
      what: fc.constant('reserve'),
      checks: together,
      ttlMs,
      onExpiry: fc.constantFrom('charge', 'charge', 'release'),
      repeats: fc.option(fc.record({ of, isSame: fc.boolean() }), { freq: 8, nil: undefined }),
      unheld: fc.constantFrom(false, false, false, true),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      what: fc.constant('settle'),
      of,
      policy: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(3) }),
      amount: fc.oneof(
        fc.constantFrom<Amount>('reserved', 'release', 'half', 'double', 'zero', 'each', 'others'),
        fc.record({ tokens: fc.integer({ min: 0, max: MOST_TOKENS }) }),
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('extend'), of, ttlMs: fc.option(ttlMs, { nil: undefined }) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('read'), of }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('reset'), key: wished.map(({ key }) => key) }) },
)

type Deeds = ReservationHistory['deeds']

/** A reservation that is settled late, after its bucket was reset or owed as much as it can. */
const lateSettlement: fc.Arbitrary<Deeds> = fc
  .record({
    key: wished.map(({ key }) => key),
    ttlMs,
    quarters: fc.integer({ min: 1, max: 4 }),
    owedQuarters: fc.integer({ min: 1, max: 4 }),
    isReset: fc.constantFrom(false, false, true),
    amount: fc.constantFrom<Amount>('reserved', 'half', 'double'),
    lateMs: fc.constantFrom(0, 0, 1, 5_000),
  })
  .map(({ key, ttlMs, quarters, owedQuarters, isReset, amount, lateMs }) => {
    const checkOf = (quarters: number) => ({ key, policy: 0, wish: { quarters }, shadowed: false })
    const shortly: Move = { until: 'deadline', of: LAST, plus: -1 }
    const late: Move = { until: 'deadline', of: LAST, plus: lateMs }
    const reserve: Deed = { what: 'reserve', checks: [checkOf(quarters)], ttlMs, onExpiry: 'charge', unheld: false }
    const check = (quarters: number): Deed => ({ what: 'check', check: checkOf(quarters), givesBack: false })
    const before: readonly Deed[] = isReset ? [{ what: 'reset', key }] : [check(4), check(owedQuarters)]
    const after: readonly Deed[] = [
      { what: 'read', of: LAST },
      { what: 'settle', of: LAST, policy: 0, amount },
    ]
    return [
      { move: { by: 0 }, deed: reserve },
      ...before.map(deed => ({ move: shortly, deed })),
      ...after.map(deed => ({ move: late, deed })),
    ]
  })

function histories(move: fc.Arbitrary<Move>): fc.Arbitrary<ReservationHistory> {
  const one: fc.Arbitrary<Deeds> = fc.record({ move, deed }).map(one => [one])
  const some = fc.oneof({ weight: 10, arbitrary: one }, { weight: 1, arbitrary: lateSettlement })
  return fc.record({
    policies: policiesOfReservations,
    overdrafts: fc.array(fc.constantFrom(false, false, true), { minLength: 4, maxLength: 4, size: 'max' }),
    startMs: fc.oneof(fc.constant(START_MS), fc.constantFrom(...STARTS.map(Date.parse))),
    deeds: fc.array(some, { minLength: 1, maxLength: 30, size: 'max' }).map(told => told.flat()),
  })
}

export const reservationHistory = histories(anyMove)
/** In which the clock never goes back. */
export const steadyHistory = histories(forward)

/** A call with the outcome that the oracle expects, and when the bucket of each key is forgotten after it. */
export interface ExpectedCall {
  readonly call: Call
  readonly expected: Outcome
  readonly forgottenAtMs: ReadonlyMap<string, bigint | undefined>
}

/** The keys that can be checked and reserved. */
export const HISTORY_KEYS = ['{a}x', '{a}y', '{a}z']

/** Plays a history with the oracle. */
export function playReservations(told: ReservationHistory): readonly ExpectedCall[] {
  const { policies, overdrafts, startMs, deeds } = told
  const compiled = compiledPolicies(policies, overdrafts)
  const oracle = new ReservationOracle()
  const made: Reserving[] = []
  const deadlines: number[] = []
  let nowMs = startMs
  return deeds.map(({ move, deed }) => {
    nowMs = Math.max(0, moved(move, nowMs, deadlines))
    const call = callOf(deed, nowMs, compiled, made)
    const expected = expectedOf(oracle, call)
    if (call.what === 'group' && call.group.hold !== undefined && isReserved(expected)) {
      made.push({ ...call.group, hold: call.group.hold })
      deadlines.push(expected.expiresAtMs)
    }
    if (call.what === 'extend' && isReserved(expected)) {
      deadlines[made.findIndex(({ hold }) => hold.id === call.extension.id)] = expected.expiresAtMs
    }
    return { call, expected, forgottenAtMs: new Map(HISTORY_KEYS.map(key => [key, oracle.bucket(key).forgottenAtMs])) }
  })
}

function isReserved(outcome: Outcome): outcome is Outcome & { readonly expiresAtMs: number } {
  return outcome !== undefined && 'expiresAtMs' in outcome && outcome.expiresAtMs !== undefined
}

function moved(move: Move, nowMs: number, deadlines: readonly number[]): number {
  if ('to' in move) return move.to
  if ('by' in move) return nowMs + move.by
  const deadline = deadlines.at(move.of % (deadlines.length || 1))
  if (deadline === undefined) return nowMs
  return Math.max(nowMs, deadline + (move.until === 'deadline' ? 0 : 600_000) + move.plus)
}

function callOf(deed: Deed, nowMs: number, compiled: readonly Policy[], made: readonly Reserving[]): Call {
  const policyAt = (index: number) => compiled[index % compiled.length] as Policy
  const checkOf = ({ key, policy, wish }: WishedCheck) => ({
    key,
    policy: policyAt(policy),
    tokens: tokensOf(wish, policyAt(policy)),
  })
  const madeAt = (index: number) => made.at(index % (made.length || 1))
  const idAt = (index: number) => madeAt(index)?.hold.id ?? idOf('unknown')
  switch (deed.what) {
    case 'check': {
      const check = checkOf(deed.check)
      const isBack = deed.givesBack && check.tokens > 0
      return { nowMs, what: 'check', check: isBack ? { ...check, tokens: -check.tokens } : check }
    }
    case 'group':
      return {
        nowMs,
        what: 'group',
        group: { checks: deed.checks.map(checkOf), shadowed: deed.checks.map(({ shadowed }) => shadowed) },
      }
    case 'reserve': {
      const checks = deed.checks.map(check => ({ ...checkOf(check), reserves: true as const }))
      const before = deed.repeats && madeAt(deed.repeats.of)
      if (before !== undefined && deed.repeats?.isSame) return { nowMs, what: 'group', group: repeated(before) }
      const named = checks.map(({ key, tokens }) => ({ key, tokens }))
      const hold = {
        id: before?.hold.id ?? idOf(String(made.length)),
        ttlMs: deed.ttlMs,
        onExpiry: deed.onExpiry,
        isNew: before === undefined,
        fingerprint: `f${made.length}`,
        named: deed.unheld ? [{ key: '{a}off', tokens: 3, policy: 'plan:off' }, ...named] : named,
      }
      return { nowMs, what: 'group', group: { checks, shadowed: deed.checks.map(({ shadowed }) => shadowed), hold } }
    }
    case 'settle': {
      const amounts = amountsOf(deed.amount, madeAt(deed.of)?.hold)
      return {
        nowMs,
        what: 'settle',
        settlement: { id: idAt(deed.of), amounts, policyOf: () => policyAt(deed.policy) },
      }
    }
    case 'extend':
      return { nowMs, what: 'extend', extension: { id: idAt(deed.of), ...(deed.ttlMs && { ttlMs: deed.ttlMs }) } }
    case 'read':
      return { nowMs, what: 'read', id: idAt(deed.of) }
    case 'reset':
      return { nowMs, what: 'reset', key: deed.key }
  }
}

function idOf(name: string): ReservationId {
  return reservationId('{a}x', name.padStart(22, '0'))
}

function repeated(group: Reserving): Reserving {
  return { ...group, hold: { ...group.hold, isNew: false } }
}

function tokensOf(wish: Wish, { definition }: Policy): number {
  if ('tokens' in wish) return wish.tokens
  const spent = definition.limits.filter(({ kind }) => kind !== 'concurrency').map(({ capacity }) => capacity)
  return Math.ceil((Math.min(...spent, MOST_TOKENS) * wish.quarters) / 4)
}

function amountsOf(amount: Amount, hold: HoldRequest | undefined): Amounts {
  const named = hold?.named ?? []
  const first = named.at(-1)?.tokens ?? 1
  switch (amount) {
    case 'reserved':
    case 'release':
      return amount
    case 'half':
      return Math.floor(first / 2)
    case 'double':
      return Math.min(2 * first + 1, MOST_TOKENS)
    case 'zero':
      return 0
    case 'each':
      return new Map(named.map(({ key, tokens }, i) => [key, Math.min(tokens + i, MOST_TOKENS)]))
    case 'others':
      return new Map([['{a}other', 1]])
    default:
      return amount.tokens
  }
}

function expectedOf(oracle: ReservationOracle, call: Call): Outcome {
  const { nowMs } = call
  switch (call.what) {
    case 'check': {
      const { key, policy, tokens } = call.check
      return answerTo(oracle.bucket(key), policy, tokens, nowMs)
    }
    case 'group':
      return oracle.decide(call.group, nowMs)
    case 'settle':
      return oracle.settle(call.settlement, nowMs)
    case 'extend':
      return oracle.extend(call.extension.id, call.extension.ttlMs, nowMs)
    case 'read':
      return oracle.read(call.id, nowMs)
    case 'reset':
      oracle.bucket(call.key).reset(nowMs)
      return undefined
  }
}
