import { describe, expect, it } from '@jest/globals'
import {
  decideByBucket,
  decideByMode,
  decideByOutage,
  explain,
  limitTooSmallFor,
  onStoreFailureOf,
  violatedLimits,
} from '../../../src/domain/decision.ts'
import { compileLimits } from '../../../src/domain/limits/limit.ts'
import type { Mode, Policy } from '../../../src/domain/policy.ts'
import { limitOf, policyOf } from '../../support/policies.ts'

/** The decision for limits that count in units of 1/1000 token, given the tokens spent of each. */
function decisionOf(policy: Policy, allowed: boolean, spentTokens: number[], tokens = 1, refillPausedMs = 0) {
  const spent = spentTokens.map(count => count * 1_000)
  return decideByBucket({ key: 'x', policy, tokens }, { allowed, spent, refillPausedMs }, 'redis')
}

const threeLimits = (mode: Mode = 'enforce') =>
  policyOf('user:*', {
    mode,
    limits: [
      limitOf({ name: 'a', capacity: 10 }),
      limitOf({ name: 'b', capacity: 100 }),
      limitOf({ name: 'c', capacity: 20 }),
    ],
  })

describe('the binding limit', () => {
  it('of an allowed check has the smallest part of its capacity left', () => {
    expect(decisionOf(threeLimits(), true, [1, 60, 5])).toMatchObject({ binding: { name: 'b' }, remaining: 40 })
  })

  it('of an allowed check is the first of those with equal parts', () => {
    expect(decisionOf(threeLimits(), true, [1, 50, 10]).binding.name).toBe('b')
    expect(decisionOf(threeLimits(), true, [0, 0, 0], 0).binding.name).toBe('a')
  })

  it('of an allowed check counts whole tokens', () => {
    expect(decisionOf(threeLimits(), true, [5.5, 58, 5])).toMatchObject({ binding: { name: 'a' }, remaining: 4 })
  })

  it('of a denied check is the one that denies for longest', () => {
    const decision = decisionOf(threeLimits(), false, [10, 98, 20], 5)
    expect(decision).toMatchObject({ binding: { name: 'a' }, remaining: 0, retryAfterMs: 5_000, resetAfterMs: 10_000 })
  })

  it('of a denied check is the first of those that deny equally long', () => {
    expect(decisionOf(threeLimits(), false, [0, 98, 18], 5).binding.name).toBe('b')
  })

  it('of a denied check is the one that never allows, if there is one', () => {
    const decision = decisionOf(threeLimits(), false, [0, 100, 20], 11)
    expect(decision).toMatchObject({ binding: { name: 'a' }, remaining: 10, retryAfterMs: null })
  })
})

describe('each limit’s own values', () => {
  it('show which limits deny, and no waiting time for those that would allow', () => {
    const decision = decisionOf(threeLimits(), false, [10, 0, 20], 1)
    expect(decision.states.map(({ allows, retryAfterMs }) => [allows, retryAfterMs])).toEqual([
      [false, 1_000],
      [true, 0],
      [false, 1_000],
    ])
    expect(violatedLimits(decision)).toEqual(['a', 'c'])
  })

  it('include the rest of a refill pause in every waiting time', () => {
    const { states } = decisionOf(policyOf('x'), false, [9.5], 2, 700)
    expect(states[0]).toMatchObject({
      retryAfterMs: 1_500 + 700,
      resetAfterMs: 9_500 + 700,
      nextTokenAfterMs: 500 + 700,
    })
  })

  it('show no waiting time for a full bucket, even while refill is paused', () => {
    const { states } = decisionOf(policyOf('x'), true, [0], 0, 700)
    expect(states[0]).toMatchObject({ remaining: 10, retryAfterMs: 0, resetAfterMs: 0, nextTokenAfterMs: 0 })
  })

  it('show no next token for a full limit, although a reservation of 0 tokens is held', () => {
    const held = { tokens: 0, count: 1, nextExpiryMs: 900, lastExpiryMs: 900 }
    const reading = { allowed: true, spent: [0], refillPausedMs: 0, held }
    const { states } = decideByBucket({ key: 'x', policy: policyOf('x'), tokens: 0 }, reading, 'redis')
    expect(states[0]).toMatchObject({ remaining: 10, resetAfterMs: 900, nextTokenAfterMs: 0 })
  })

  it('are those of a process’s share while the store is unavailable', () => {
    const policy = policyOf('x', { limits: [limitOf({ capacity: 10 })] })
    const share = compileLimits([limitOf({ capacity: 5, refillIntervalMs: 2_000 })])
    const reading = { allowed: true, spent: [2_000], refillPausedMs: 0 }
    const decision = decideByBucket({ key: 'x', policy, tokens: 1 }, reading, 'local', share)
    expect(decision).toMatchObject({ source: 'local', degraded: true, remaining: 4, binding: { capacity: 10 } })
  })
})

describe('the mode', () => {
  const asked = (mode: Mode, tokens = 1) => ({ key: 'x', policy: threeLimits(mode), tokens })

  it('shadow allows a check that would be denied, and reports that', () => {
    const decision = decisionOf(threeLimits('shadow'), false, [10, 0, 0])
    expect(decision).toMatchObject({ allowed: true, shadowed: true, retryAfterMs: 1_000 })
    expect(violatedLimits(decision)).toEqual(['a'])
  })

  it('shadow allows more tokens than the capacity, with a retryAfterMs of null', () => {
    expect(decisionOf(threeLimits('shadow'), false, [0, 0, 0], 11)).toMatchObject({ allowed: true, retryAfterMs: null })
  })

  it('shadow reports nothing for a check that would be allowed', () => {
    const decision = decisionOf(threeLimits('shadow'), true, [1, 1, 1])
    expect(decision).toMatchObject({ allowed: true, shadowed: false })
    expect(violatedLimits(decision)).toEqual([])
  })

  it('off allows everything without asking the store, with the first limit’s capacity left', () => {
    const decision = decideByMode(asked('off', 1_000_000_000))
    expect(decision).toMatchObject({ allowed: true, source: 'policy', remaining: 10, retryAfterMs: 0, states: [] })
    expect(decision?.binding?.name).toBe('a')
  })

  it('block denies everything for ever, even 0 tokens', () => {
    const denial = { allowed: false, blocked: true, source: 'policy', remaining: 0, retryAfterMs: null, states: [] }
    expect(decideByMode(asked('block', 0))).toMatchObject(denial)
  })

  it.each(['enforce', 'shadow'] as const)('%s needs the bucket', mode => {
    expect(decideByMode(asked(mode))).toBeUndefined()
  })
})

describe('a shadow limit', () => {
  const policy = (mode: Mode = 'enforce') =>
    policyOf('user:*', {
      mode,
      limits: [
        limitOf({ name: 'a', capacity: 5, shadow: true }),
        limitOf({ name: 'b', capacity: 100 }),
        limitOf({ name: 'c', capacity: 20, shadow: true }),
      ],
    })
  const allowedBut = (violated: readonly boolean[], mode?: Mode) => {
    const reading = { allowed: true, spent: [5_000, 60_000, 20_000], refillPausedMs: 0, violated }
    return decideByBucket({ key: 'x', policy: policy(mode), tokens: 2 }, reading, 'redis')
  }

  it('is never the binding limit', () => {
    expect(decisionOf(policy(), true, [5, 1, 20])).toMatchObject({ binding: { name: 'b' }, remaining: 99 })
    const denied = decisionOf(policy(), false, [5, 100, 20], 6)
    expect(denied).toMatchObject({ binding: { name: 'b' }, retryAfterMs: 6_000 })
    expect(denied.states.map(({ retryAfterMs }) => retryAfterMs)).toEqual([null, 6_000, 6_000])
  })

  it('reports what it would have denied, in each mode that asks the store', () => {
    for (const mode of ['enforce', 'shadow'] as const) {
      const decision = allowedBut([true, false, false], mode)
      expect(decision).toMatchObject({ allowed: true, shadowed: true, retryAfterMs: 0 })
      expect(violatedLimits(decision)).toEqual(['a'])
      expect(decision.states.map(({ retryAfterMs }) => retryAfterMs)).toEqual([2_000, 0, 0])
    }
    expect(violatedLimits(allowedBut([true, false, true]))).toEqual(['a', 'c'])
  })

  it('is not named where an enforced limit denies, or would in mode shadow', () => {
    for (const mode of ['enforce', 'shadow'] as const) {
      expect(violatedLimits(decisionOf(policy(mode), false, [5, 100, 20]))).toEqual(['b'])
    }
  })

  it('has no capacity that a check may not exceed', () => {
    expect(limitTooSmallFor(policy(), 100)).toBeUndefined()
    expect(limitTooSmallFor(policy(), 101)?.name).toBe('b')
  })

  it('is not shown where no bucket is asked', () => {
    expect(decideByMode({ key: 'x', policy: policy('off'), tokens: 1 })).toMatchObject({
      binding: { name: 'b' },
      remaining: 100,
    })
  })
})

describe('while the store is unavailable', () => {
  it('an allowed check reports neither remaining tokens nor a reset time', () => {
    const decision = decideByOutage({ key: 'x', policy: policyOf('x'), tokens: 1 })
    const unknown = { remaining: null, resetAfterMs: null, retryAfterMs: 0 }
    expect(decision).toMatchObject({ allowed: true, source: 'outage', degraded: true, states: [], ...unknown })
  })

  it('the onStoreFailure of the policy applies, or else that of the service', () => {
    expect(onStoreFailureOf(policyOf('x', { onStoreFailure: 'deny' }), 'local')).toBe('deny')
    expect(onStoreFailureOf(policyOf('x'), 'allow')).toBe('allow')
  })

  it('a policy in shadow mode never denies', () => {
    expect(onStoreFailureOf(policyOf('x', { mode: 'shadow', onStoreFailure: 'deny' }), 'deny')).toBe('local')
    expect(onStoreFailureOf(policyOf('x', { mode: 'shadow' }), 'deny')).toBe('local')
    expect(onStoreFailureOf(policyOf('x', { mode: 'shadow', onStoreFailure: 'allow' }), 'deny')).toBe('allow')
  })
})

describe('a check of more tokens than a limit holds', () => {
  it('is detected, with the first such limit', () => {
    expect(limitTooSmallFor(threeLimits(), 10)).toBeUndefined()
    expect(limitTooSmallFor(threeLimits(), 11)?.name).toBe('a')
    expect(limitTooSmallFor(threeLimits(), 1_000_000_000)?.name).toBe('a')
  })
})

describe('the explanation', () => {
  it('describes the bucket in words', () => {
    const policy = policyOf('x', { limits: [limitOf({ capacity: 100, refillTokens: 10, refillIntervalMs: 1_000 })] })
    const decision = decideByBucket(
      { key: 'x', policy, tokens: 1 },
      { allowed: false, spent: [10_000], refillPausedMs: 0 },
      'redis',
    )
    expect(explain(decision)).toBe('0 of 100 tokens left; 10 more every 1000 ms')
  })

  it('names the limit when there are several', () => {
    expect(explain(decisionOf(threeLimits(), false, [10, 0, 20], 5))).toBe(
      'a: 0 of 10 tokens left; 1 more every 1000 ms',
    )
  })
})
