import { beforeEach, describe, expect, it } from '@jest/globals'
import { DenialCache } from '../../../src/check/denial-cache.ts'
import { GroupChecker, type GroupOutcome } from '../../../src/check/group-checker.ts'
import { LocalBuckets } from '../../../src/check/local-buckets.ts'
import type { AskedCheck } from '../../../src/check/pending-check.ts'
import { PolicyLookup } from '../../../src/check/policy-lookup.ts'
import { haveOneHashTag } from '../../../src/domain/partition.ts'
import type { PolicyDefinition } from '../../../src/domain/policy.ts'
import { PolicyTable } from '../../../src/domain/policy-table.ts'
import { answerTo } from '../../support/answer-to.ts'
import { InMemoryReservationQueue } from '../../support/in-memory/reservation-queue.ts'
import { definitionOf, limitOf, policyOf } from '../../support/policies.ts'

const MAX_WAITING = 4
const NEVER_REFILLS = { refillIntervalMs: 1_000_000 }

let store: InMemoryReservationQueue
let table: PolicyTable
let denials: DenialCache
let local: LocalBuckets
let counted: string[]
let stored: () => void
let onCluster: boolean
let nowMs: number
let groups: GroupChecker
beforeEach(() => {
  store = new InMemoryReservationQueue()
  table = new PolicyTable(policyOf('default', { limits: [limitOf(NEVER_REFILLS)] }, 0))
  denials = new DenialCache(() => 0)
  local = new LocalBuckets({
    now: () => nowMs,
    outageOf: () => ({ elapsedMs: 0, isRunning: false, refillPausedMs: 0 }),
    calendarNow: Date.now,
    processes: () => 1,
  })
  counted = []
  stored = () => undefined
  onCluster = false
  nowMs = 0
  groups = new GroupChecker({
    policies: new PolicyLookup(table, async () => stored()),
    prepare: () => undefined,
    canGoTogether: keys => !onCluster || haveOneHashTag(keys),
    queue: store,
    denialCache: denials,
    localBuckets: local,
    observer: {
      decided: ({ key, allowed, shadowed }) =>
        void counted.push(`${key} ${shadowed ? 'shadowed' : allowed ? 'allowed' : 'denied'}`),
      undecided: ({ key }) => void counted.push(`${key} error`),
    },
    onStoreFailure: 'local',
    maxWaiting: MAX_WAITING,
  })
})

const given = (key: string, overrides: Partial<PolicyDefinition> & { capacity?: number } = {}) => {
  const { capacity = 10, ...rest } = overrides
  table.set(key, 1, definitionOf({ limits: [limitOf({ capacity, ...NEVER_REFILLS })], ...rest }))
}
const asked = (checks: Readonly<Record<string, number>>): AskedCheck[] =>
  Object.entries(checks).map(([key, tokens]) => ({ key, tokens }))
const outcomeOf = (checks: readonly AskedCheck[]) =>
  answerTo<GroupOutcome>(onOutcome => groups.decide(checks, onOutcome))
const decide = async (checks: Readonly<Record<string, number>>) => (await outcomeOf(asked(checks))).decision
/** What is left of each key, and whether it is allowed alone. */
const left = async (checks: Readonly<Record<string, number>>) =>
  (await decide(checks)).results.map(({ key, remaining, allowed }) => `${key} ${allowed ? '+' : '-'}${remaining}`)

describe('checks of several keys', () => {
  it('are allowed together, and spend from each', async () => {
    expect(await left({ a: 1, b: 2, c: 0 })).toEqual(['a +9', 'b +8', 'c +10'])
    expect(await left({ a: 3, b: 8 })).toEqual(['a +6', 'b +0'])
  })

  it('spend from none if one denies', async () => {
    await decide({ a: 9 })
    const denied = await decide({ a: 5, b: 5, c: 5 })
    expect([denied.allowed, denied.binding.key]).toEqual([false, 'a'])
    expect(denied.results.map(({ key, remaining, allowed }) => [key, remaining, allowed])).toEqual([
      ['a', 1, false],
      ['b', 10, true],
      ['c', 10, true],
    ])
    expect(await left({ a: 0, b: 0, c: 0 })).toEqual(['a +1', 'b +10', 'c +10'])
  })

  it('are counted each by itself; of a denied call, only those that deny', async () => {
    await decide({ a: 9, b: 1 })
    await decide({ a: 2, b: 1 })
    expect(counted).toEqual(['a allowed', 'b allowed', 'a denied'])
  })

  it('forget the remembered denial of a key from which they spend', async () => {
    const policy = policyOf('a', { limits: [limitOf(NEVER_REFILLS)] })
    const check = { key: 'a', policy, tokens: 1 }
    denials.remember(check, { allowed: false, spent: [10], refillPausedMs: 0 }, 1_000, 0)
    await decide({ b: 10 })
    await decide({ a: 1, b: 1 })
    expect(denials.recall(check)).toBeDefined()
    await decide({ a: 1, c: 1 })
    expect(denials.recall(check)).toBeUndefined()
  })

  it('are refused while too many wait', async () => {
    store.hold()
    const waiting = [decide({ a: 1, b: 1 }), decide({ a: 1, b: 1 })]
    await expect(decide({ a: 1, b: 1 })).rejects.toMatchObject({
      code: 'overloaded',
      detail: '4 checks of groups and reservations wait for the bucket store, as many as MAX_WAITING_CHECKS allows',
    })
    store.letGo()
    await Promise.all(waiting)
    expect((await decide({ a: 1, b: 1 })).allowed).toBe(true)
  })
})

describe('a policy that is named', () => {
  it('is read once more from the log before it counts as unknown', async () => {
    stored = () => given('plan:gold', { capacity: 1_000 })
    const { decision } = await outcomeOf([
      { key: 'a', tokens: 1, policy: 'plan:gold' },
      { key: 'b', tokens: 1 },
    ])
    expect(decision.results.map(({ policy, remaining }) => [policy.configKey, remaining])).toEqual([
      ['plan:gold', 999],
      ['default', 9],
    ])
  })

  it('and is unknown refuses the whole call', async () => {
    const checks = [
      { key: 'a', tokens: 1 },
      { key: 'b', tokens: 1, policy: 'plan:gone' },
    ]
    await expect(outcomeOf(checks)).rejects.toMatchObject({
      code: 'policy-unknown',
      detail: 'the check of "b" names the policy "plan:gone", but none is stored under this config key',
    })
    expect([store.groups, counted]).toEqual([0, []])
  })
})

describe('more tokens than a limit holds', () => {
  it('refuse the whole call, even if another key is blocked', async () => {
    given('shut', { mode: 'block' })
    const message = '11 tokens asked for "a", but the limit "default" of the policy "default" never holds more than 10'
    for (const other of ['b', 'shut']) {
      await expect(decide({ [other]: 1, a: 11 })).rejects.toMatchObject({
        code: 'tokens-exceed-capacity',
        detail: message,
      })
    }
    expect(store.groups).toBe(0)
  })

  it('are no fault under a policy in mode shadow, off or block', async () => {
    given('watched', { mode: 'shadow' })
    given('free', { mode: 'off' })
    given('shut', { mode: 'block' })
    expect(await left({ watched: 11, free: 11, a: 1 })).toEqual(['watched +10', 'free +10', 'a +9'])
    expect((await decide({ shut: 11 })).allowed).toBe(false)
  })
})

describe('a policy', () => {
  it('in mode shadow never denies the call, and spends nothing where it would', async () => {
    given('watched', { mode: 'shadow', capacity: 1 })
    expect(await left({ watched: 1, a: 1 })).toEqual(['watched +0', 'a +9'])
    const { allowed, results } = await decide({ watched: 1, a: 1 })
    expect([allowed, results.map(({ shadowed }) => shadowed)]).toEqual([true, [true, false]])
    expect(await left({ a: 0 })).toEqual(['a +8'])
    expect(counted).toEqual(['watched allowed', 'a allowed', 'watched shadowed', 'a allowed', 'a allowed'])
  })

  it('in mode shadow spends nothing if another one denies', async () => {
    given('watched', { mode: 'shadow' })
    await decide({ a: 10 })
    expect(await left({ watched: 1, a: 1 })).toEqual(['watched +10', 'a -0'])
    expect(await left({ watched: 0 })).toEqual(['watched +10'])
  })

  it('in mode off spends nothing, and a call of such keys does not ask the store', async () => {
    given('free', { mode: 'off' })
    given('open', { mode: 'off', limits: [] })
    expect(await left({ free: 1, a: 1 })).toEqual(['free +10', 'a +9'])
    expect(await left({ free: 1, open: 1 })).toEqual(['free +10', 'open +null'])
    expect(store.groups).toBe(1)
  })

  it('in mode block denies the call without the store; nothing is known of the other keys', async () => {
    given('shut', { mode: 'block' })
    given('free', { mode: 'off' })
    const { allowed, binding, results } = await decide({ a: 1, shut: 1, free: 1 })
    expect([allowed, binding.key, store.groups, counted]).toEqual([false, 'shut', 0, ['shut denied']])
    expect(results).toMatchObject([
      { key: 'a', allowed: true, remaining: null, retryAfterMs: null, resetAfterMs: null, source: 'policy' },
      { key: 'shut', allowed: false, blocked: true, remaining: 0, retryAfterMs: null },
      { key: 'free', allowed: true, remaining: 10, retryAfterMs: 0, source: 'policy' },
    ])
  })
})

describe('on Redis Cluster', () => {
  beforeEach(() => {
    onCluster = true
  })

  it('keys with the same text in braces go together', async () => {
    expect((await decide({ '{org:7}:user:42': 1, '{org:7}': 1, 'org:7': 1 })).allowed).toBe(true)
    expect((await decide({ alone: 1 })).allowed).toBe(true)
  })

  it('other keys are refused, even if one is blocked', async () => {
    given('shut', { mode: 'block' })
    await expect(decide({ shut: 1, 'org:7': 1 })).rejects.toMatchObject({
      code: 'keys-apart',
      detail:
        'on Redis Cluster, all keys of a call must have the same text in {…}, such as {org:7}:user:42 and {org:7}; the keys were "shut", "org:7"',
    })
    expect(store.groups).toBe(0)
  })
})

describe('while the store is unavailable', () => {
  beforeEach(() => {
    store.isAvailable = false
  })

  it('checks are decided together by the local buckets', async () => {
    expect(await left({ a: 9, b: 1 })).toEqual(['a +1', 'b +9'])
    expect(await left({ a: 2, b: 5, c: 5 })).toEqual(['a -1', 'b +9', 'c +10'])
    expect(await left({ a: 0, b: 0, c: 0 })).toEqual(['a +1', 'b +9', 'c +10'])
    expect(counted.slice(0, 3)).toEqual(['a allowed', 'b allowed', 'a denied'])
  })

  it('a policy that allows in an outage allows its key, and spends nothing', async () => {
    given('lax', { onStoreFailure: 'allow' })
    const { results } = await decide({ lax: 1, a: 1 })
    expect(results.map(({ source, remaining }) => [source, remaining])).toEqual([
      ['outage', null],
      ['local', 9],
    ])
  })

  it('a policy that denies in an outage refuses the call, and nothing is spent locally', async () => {
    given('strict', { onStoreFailure: 'deny' })
    await expect(decide({ a: 5, strict: 1 })).rejects.toMatchObject({ code: 'store-unavailable' })
    expect([counted, local.size]).toEqual([['strict error'], 0])
  })

  it('a policy in mode shadow or off does not refuse it, and a blocked key denies it', async () => {
    given('watched', { onStoreFailure: 'deny', mode: 'shadow' })
    given('free', { onStoreFailure: 'deny', mode: 'off' })
    given('strict', { onStoreFailure: 'deny' })
    given('shut', { onStoreFailure: 'deny', mode: 'block' })
    expect(await left({ watched: 1, free: 1 })).toEqual(['watched +9', 'free +10'])
    expect((await decide({ strict: 1, shut: 1 })).binding.key).toBe('shut')
  })

  it('a policy in mode shadow does not deny, and spends nothing of another key that denies', async () => {
    given('watched', { mode: 'shadow', capacity: 1 })
    expect(await left({ watched: 1, a: 10 })).toEqual(['watched +0', 'a +0'])
    expect(await left({ watched: 0, a: 1, b: 1 })).toEqual(['watched +0', 'a -0', 'b +10'])
    expect(await left({ watched: 1, b: 1 })).toEqual(['watched +0', 'b +9'])
  })

  it('a share is granted again once the store has found the bucket full, and the share could have refilled', async () => {
    await decide({ a: 10, b: 10 })
    nowMs = 10 * NEVER_REFILLS.refillIntervalMs
    store.isAvailable = true
    await decide({ a: 1 })
    expect(local.size).toBe(1)
    await decide({ a: 0, b: 1 })
    store.isAvailable = false
    expect(await left({ a: 10, b: 10 })).toEqual(['a +0', 'b +0'])
  })
})
