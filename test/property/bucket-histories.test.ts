import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import type { Limit } from '../../src/domain/limits/limit.ts'
import type { QuotaLimit } from '../../src/domain/limits/quota.ts'
import type { TokenBucketLimit } from '../../src/domain/limits/token-bucket.ts'
import type { Policy } from '../../src/domain/policy.ts'
import { DAY, largestCapacity } from '../support/arbitrary-limits.ts'
import { type History, history, historyOfDebts, play, type Step } from '../support/bucket-histories.ts'
import { type Answer, grainOf } from '../support/bucket-oracle.ts'

const HISTORIES = 600
/** The smallest share of histories in which each case must occur. The quick run of the slowest property plays 400 histories. */
const FEWEST = 0.02

type Check = Step['checks'][number]

/** A check of a bucket that was spent from before. */
interface Moment {
  /** How far the clock moved since the previous batch, in ms. */
  readonly moved: number
  /** Time until the bucket is full and forgotten, in ms. */
  readonly left: number
  /** The limits of the policy that last spent from the bucket. */
  readonly before: readonly Limit[]
  readonly now: readonly Limit[]
  /** The names of limits that were spent from earlier and that the last policy does not have. */
  readonly away: ReadonlySet<string>
}

const ofChecks: Record<string, (check: Check) => boolean> = {
  'of 1 token in 31 days': has(1, 31 * DAY),
  'of 10^9 tokens a millisecond': has(1_000_000_000, 1),
  'of 999,999,937 tokens in 8,640,000 ms': has(999_999_937, 8_640_000),
  'of the largest capacity that can be counted exactly': ({ policy }) =>
    bucketsOf(policy.definition.limits).some(
      limit => limit.capacity === largestCapacity(limit) && limit.capacity < 1_000_000_000,
    ),
  'of more than 2^50 units': ({ policy, expected }) =>
    policy.limits.some(
      ({ capacity, unitsPerToken }, i) => (capacity - (expected.limits[i]?.remaining ?? 0)) * unitsPerToken > 2 ** 50,
    ),
  'of eight limits': ({ policy }) => policy.limits.length === 8,
  'of both kinds of limits': ({ policy: { definition } }) =>
    bucketsOf(definition.limits).length > 0 && quotasOf(definition.limits).length > 0,
  'that a quota denies': ({ policy, expected }) =>
    quotasOf(policy.definition.limits).some(({ name }) =>
      expected.limits.some(limit => limit.name === name && !limit.allows),
    ),
  'that shadow limits would deny': ({ expected }) => expected.shadowed,
  'that an enforced limit denies, of a policy with a shadow limit': ({ policy, expected }) =>
    !expected.allowed && policy.limits.some(({ isShadow }) => isShadow),
  'that is allowed by a policy whose binding limit would be a shadow limit': ({ policy, expected }) =>
    expected.allowed && isTightestInShadow(policy, expected),
  'of 0 tokens': ({ tokens }) => tokens === 0,
  'that takes the last token': ({ tokens, expected }) =>
    tokens > 0 && expected.allowed && expected.limits.some(({ remaining }) => remaining === 0),
  'that several limits deny': ({ expected }) => expected.limits.filter(({ allows }) => !allows).length > 1,
  'that one limit denies and another would allow': ({ expected }) =>
    !expected.allowed && expected.limits.some(({ allows }) => allows),
  'that can never pass': ({ expected }) => expected.limits.some(({ retryAfterMs }) => retryAfterMs === null),
}

const ofMoments: Record<string, (moment: Moment) => boolean> = {
  'while the clock stands still': ({ moved }) => moved === 0,
  'when the clock went back by about 9 s': ({ moved }) => moved <= -8_500 && moved >= -9_500,
  'when the clock went back by exactly 10 s': ({ moved }) => moved === -10_000,
  'when the clock went back by 1 ms more': ({ moved }) => moved === -10_001,
  'when the clock went back by a year': ({ moved }) => moved <= -365 * DAY,
  'when the clock went ahead by a year': ({ moved, left }) => moved >= 365 * DAY && left > 0,
  'in the millisecond before the bucket is full': ({ left }) => left === 1,
  'in the millisecond in which it is full': ({ left }) => left === 0,
  'after it became full, under a policy that refills more slowly': ({ left, before, now }) =>
    left <= 0 && pairs(bucketsOf(before), bucketsOf(now)).some(([a, b]) => rate(b) < rate(a)),
  'after a limit was added': live(({ before, now }) => names(now).some(name => !names(before).includes(name))),
  'after a limit was removed': live(({ before, now }) => names(before).some(name => !names(now).includes(name))),
  'after the limits were only reordered': live(
    ({ before, now }) =>
      names(before).join() !== names(now).join() && names(before).toSorted().join() === names(now).toSorted().join(),
  ),
  'after a removed limit was added again': live(({ now, away }) => names(now).some(name => away.has(name))),
  'after a capacity was raised': live(({ before, now }) =>
    pairs(before, now).some(([a, b]) => a.capacity < b.capacity),
  ),
  'after a capacity was lowered': live(({ before, now }) =>
    pairs(before, now).some(([a, b]) => a.capacity > b.capacity),
  ),
  'after a rate changed, and the unit with it': live(({ before, now }) =>
    pairs(bucketsOf(before), bucketsOf(now)).some(([a, b]) => grainOf(a) !== grainOf(b)),
  ),
  'after a rate changed, but not the unit': live(({ before, now }) =>
    pairs(bucketsOf(before), bucketsOf(now)).some(([a, b]) => rate(a) !== rate(b) && grainOf(a) === grainOf(b)),
  ),
  'after a limit became one of another kind': live(({ before, now }) =>
    pairs<Limit>(before, now).some(([a, b]) => a.kind !== b.kind),
  ),
  'after a shadow limit became enforced': live(({ before, now }) => became(before, now, 'enforced')),
  'after an enforced limit became a shadow limit': live(({ before, now }) => became(before, now, 'shadow')),
  'after the period, the zone or the anchor of a quota changed': live(({ before, now }) =>
    pairs(quotasOf(before), quotasOf(now)).some(([a, b]) => calendarOf(a) !== calendarOf(b)),
  ),
}

function isTightestInShadow({ limits }: Policy, expected: Answer): boolean {
  const shares = limits.map(({ capacity, isShadow }, i) => ({
    left: (expected.limits[i]?.remaining ?? 0) / capacity,
    isShadow,
  }))
  const lowest = Math.min(...shares.filter(({ isShadow }) => !isShadow).map(({ left }) => left))
  return shares.some(({ left, isShadow }) => isShadow && left < lowest)
}

function became(before: readonly Limit[], now: readonly Limit[], what: 'enforced' | 'shadow'): boolean {
  const [from, to] = what === 'shadow' ? [undefined, true] : [true, undefined]
  return pairs<Limit>(before, now).some(([a, b]) => a.kind === b.kind && a.shadow === from && b.shadow === to)
}

const names = (limits: readonly Limit[]) => limits.map(({ name }) => name)
const rate = ({ refillTokens, refillIntervalMs }: TokenBucketLimit) => refillTokens / refillIntervalMs
const bucketsOf = (limits: readonly Limit[]) => limits.filter(limit => limit.kind === undefined)
const calendarOf = ({ period, timeZone, anchor }: QuotaLimit) => [period, timeZone, anchor].join()
const quotasOf = (limits: readonly Limit[]) => limits.filter(limit => limit.kind === 'quota')

/** The limits that both lists have, each in its old and its new form. */
function pairs<L extends Limit>(before: readonly L[], now: readonly L[]): [L, L][] {
  return before.flatMap(a => now.filter(({ name }) => name === a.name).map((b): [L, L] => [a, b]))
}

function has(refillTokens: number, refillIntervalMs: number) {
  return ({ policy }: Check) =>
    bucketsOf(policy.definition.limits).some(
      limit => limit.refillTokens === refillTokens && limit.refillIntervalMs === refillIntervalMs,
    )
}

function live(holds: (moment: Moment) => boolean) {
  return (moment: Moment) => moment.left > 0 && holds(moment)
}

function momentsOf(steps: readonly Step[]): Moment[] {
  const spentUnder = new Map<string, readonly Limit[]>()
  const everSpent = new Map<string, ReadonlySet<string>>()
  return steps.flatMap((step, i) => {
    const earlier = steps[i - 1]
    const moments = step.checks.flatMap(({ key, policy }): Moment[] => {
      const before = spentUnder.get(key)
      const fullAt = earlier?.forgottenAtMs.get(key)
      if (earlier === undefined || before === undefined || fullAt === undefined) return []
      const left = Number(fullAt - BigInt(step.nowMs))
      const away = new Set([...(everSpent.get(key) ?? [])].filter(name => !names(before).includes(name)))
      return [{ moved: step.nowMs - earlier.nowMs, left, before, now: policy.definition.limits, away }]
    })
    for (const { key, policy, tokens, expected } of step.checks) {
      if (!expected.allowed || tokens === 0) continue
      spentUnder.set(key, policy.definition.limits)
      everSpent.set(key, new Set([...(everSpent.get(key) ?? []), ...names(policy.definition.limits)]))
    }
    return moments
  })
}

describe('the random histories that compare the service with the oracle', () => {
  const histories: readonly History[] = fc.sample(history, { numRuns: HISTORIES, seed: 1 })
  const played = histories.map(play)

  function shareWith(happens: (steps: readonly Step[]) => boolean): number {
    return played.filter(happens).length / HISTORIES
  }

  it.each(Object.entries(ofChecks))('often have a check %s', (_, holds) => {
    expect(shareWith(steps => steps.some(({ checks }) => checks.some(holds)))).toBeGreaterThan(FEWEST)
  })

  it.each(Object.entries(ofMoments))('often have a check of a bucket that was spent from, %s', (_, holds) => {
    expect(shareWith(steps => momentsOf(steps).some(holds))).toBeGreaterThan(FEWEST)
  })
})

describe('the random histories with overdraft and tokens that are given back', () => {
  const played = fc.sample(historyOfDebts, { numRuns: HISTORIES / 4, seed: 1 }).map(play)
  const overdrawn = ({ policy, tokens, expected }: Check) =>
    policy.definition.overdraft === true && tokens > 0 && !expected.allowed

  it.each<[string, (check: Check) => boolean]>([
    ['is denied and charged', overdrawn],
    [
      'is denied by one limit and charged to another that would allow it',
      check => overdrawn(check) && check.expected.limits.some(({ allows }) => allows),
    ],
    ['is denied by a debt', ({ tokens, expected }) => tokens === 0 && !expected.allowed],
    ['gives back', ({ tokens }) => tokens < 0],
    [
      'gives back less than is spent',
      ({ tokens, expected }) => tokens < 0 && expected.limits.some(({ resetAfterMs }) => resetAfterMs > 0),
    ],
  ])('often have a check that %s', (_, holds) => {
    const share = played.filter(steps => steps.some(({ checks }) => checks.some(holds))).length / played.length
    expect(share).toBeGreaterThan(FEWEST)
  })
})
