import { describe, expect, it } from '@jest/globals'
import {
  furtherLimitsWeight,
  limitWeight,
  OWN_LIMIT_WEIGHT,
  weightAt,
  weightOf,
} from '../../../src/check/check-weight.ts'
import { limitOf, policyOf } from '../../support/policies.ts'

const stored = ['a', 'b'].map(configKey => policyOf(configKey))
const ofCalls = [1, 2].map(() => policyOf('request', {}, 0))
const checksBy = (...policies: readonly (ReturnType<typeof policyOf> | undefined)[]) =>
  policies.map(policy => ({ key: 'a', tokens: 1, ...(policy && { resolvedPolicy: policy }) }))

describe('a check weighs', () => {
  it('1 if its policy is stored, or still to be found', () => {
    expect(weightOf(checksBy(undefined, undefined, stored[0], stored[1], stored[0]))).toBe(5)
  })

  it('1 by the same limit as the check before it', () => {
    const checks = checksBy(ofCalls[0], ofCalls[0], ofCalls[0])
    expect([1, 2].map(index => weightAt(checks, index))).toEqual([1, 1])
    expect(weightOf(checks)).toBe(OWN_LIMIT_WEIGHT + 2)
  })

  it('more by another limit that came with the call', () => {
    const checks = checksBy(stored[0], ofCalls[0], ofCalls[1], ofCalls[0])
    expect([1, 2, 3].map(index => weightAt(checks, index))).toEqual(new Array(3).fill(OWN_LIMIT_WEIGHT))
  })
})

it('a policy weighs half as many as it has limits, and never nothing', () => {
  const weightWith = (limits: number) =>
    limitWeight(
      policyOf('a', { mode: 'off', limits: Array.from({ length: limits }, (_, i) => limitOf({ name: `l${i}` })) }),
    )
  expect([0, 1, 2, 3, 8].map(weightWith)).toEqual([1, 1, 1, 2, 4])
})

describe('the further limits of a batch weigh', () => {
  const withLimits = (limits: number) =>
    policyOf('a', { limits: Array.from({ length: limits }, (_, i) => limitOf({ name: `l${i}` })) })

  it('as much as those of its checks, if all are alike', () => {
    expect([1, 2, 8].map(limits => furtherLimitsWeight(new Array(100).fill('a'), () => withLimits(limits)))).toEqual([
      0, 0, 300,
    ])
    expect(furtherLimitsWeight(['a'], () => undefined)).toBe(0)
  })

  it('exactly as much in a batch of a few different checks', () => {
    expect(furtherLimitsWeight([withLimits(1), withLimits(8)], policy => policy)).toBe(3)
  })

  it('about as much in a larger batch of different checks, and at most as much as the largest', () => {
    const policies = Array.from({ length: 10 }, (_, i) => withLimits(i % 2 === 0 ? 1 : 8))
    const weights = Array.from({ length: 10_000 }, () => furtherLimitsWeight(policies, policy => policy))
    expect(Math.max(...weights)).toBeLessThanOrEqual(30)
    expect(weights.reduce((sum, weight) => sum + weight, 0) / weights.length).toBeCloseTo(15, 0)
  })
})
