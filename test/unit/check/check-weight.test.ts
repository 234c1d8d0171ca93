import { describe, expect, it } from '@jest/globals'
import { limitWeight, OWN_LIMIT_WEIGHT, weightAt, weightOf } from '../../../src/check/check-weight.ts'
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
