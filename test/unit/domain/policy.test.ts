import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { compileLimits } from '../../../src/domain/limits/limit.ts'
import { policyFaults, samePolicy } from '../../../src/domain/policy.ts'
import { largestCapacity, tokenBucket } from '../../support/arbitrary-limits.ts'
import { definitionOf, limitOf } from '../../support/policies.ts'

describe('the exactness rule', () => {
  it.each([
    ['2^53 − 1 units', { capacity: 441_650_591, refillTokens: 1, refillIntervalMs: 20_394_401 }],
    ['1 token in 31 days', { capacity: 3_362_902, refillTokens: 1, refillIntervalMs: 2_678_400_000 }],
    ['10^9 tokens a millisecond', { capacity: 1_000_000_000, refillTokens: 1_000_000_000, refillIntervalMs: 1 }],
    ['an odd rate', { capacity: 1_000_000_000, refillTokens: 999_999_937, refillIntervalMs: 8_640_000 }],
    ['a reducible rate', { capacity: 1_000_000_000, refillTokens: 1_000_000_000, refillIntervalMs: 2_678_400_000 }],
  ])('accepts %s', (_, limit) => {
    expect(policyFaults(definitionOf({ limits: [limitOf(limit)] }))).toEqual([])
  })

  it.each([
    ['2^53 units and more', { capacity: 441_650_592, refillTokens: 1, refillIntervalMs: 20_394_401 }],
    ['a token more in 31 days', { capacity: 3_362_903, refillTokens: 1, refillIntervalMs: 2_678_400_000 }],
    ['exactly 2^53 units', { capacity: 2 ** 26, refillTokens: 1, refillIntervalMs: 2 ** 27 }],
  ])('refuses %s, and reports where', (_, limit) => {
    const faults = policyFaults(definitionOf({ limits: [limitOf({ name: 'fine' }), limitOf(limit)] }))
    expect(faults).toEqual([{ path: '/limits/1', message: expect.stringContaining('must not exceed 2^53 − 1') }])
  })

  it('accepts the largest capacity of any rate and refuses one more', () => {
    fc.assert(
      fc.property(tokenBucket, limit => {
        const capacity = largestCapacity(limit)
        const faultsWith = (capacity: number) => policyFaults(definitionOf({ limits: [{ ...limit, capacity }] }))
        expect(faultsWith(capacity)).toEqual([])
        // A schema refuses more than 10^9.
        if (capacity < 1_000_000_000) expect(faultsWith(capacity + 1)).toHaveLength(1)
      }),
    )
  })
})

describe('the names of limits', () => {
  it('are unique', () => {
    const limits = [limitOf({ name: 'burst' }), limitOf({ name: 'daily' }), limitOf({ name: 'burst' })]
    expect(policyFaults(definitionOf({ limits }))).toEqual([
      { path: '/limits/2/name', message: '"burst" names two limits; names must be unique' },
    ])
  })

  it('identify the limit in a bucket, independent of the order in its policy', () => {
    const [burst, daily] = [limitOf({ name: 'burst' }), limitOf({ name: 'daily' })]
    const idsOf = (...limits: (typeof burst)[]) => Object.fromEntries(compileLimits(limits).map(l => [l.name, l.id]))
    expect(idsOf(burst, daily)).toEqual(idsOf(daily, burst))
    expect(new Set(Object.values(idsOf(burst, daily))).size).toBe(2)
  })
})

describe('a shadow limit', () => {
  const [stricter, burst] = [limitOf({ name: 'stricter', shadow: true }), limitOf({ name: 'burst' })]

  it('needs a limit beside it that is enforced', () => {
    expect(policyFaults(definitionOf({ limits: [stricter, burst] }))).toEqual([])
    expect(policyFaults(definitionOf({ limits: [stricter, { ...burst, shadow: true }] }))).toEqual([
      { path: '/limits/0/shadow', message: expect.stringContaining('a limit that is not a shadow limit') },
    ])
  })

  it('is the same limit in a bucket when it is enforced', () => {
    const idOf = (limit: typeof stricter) => compileLimits([limit])[0]?.id
    expect(idOf(stricter)).toBe(idOf(limitOf({ name: 'stricter' })))
  })
})

describe('a compiled limit', () => {
  it('counts in the largest units of which a whole number refills each millisecond', () => {
    const [limit] = compileLimits([limitOf({ capacity: 100, refillTokens: 10, refillIntervalMs: 1_000 })])
    expect(limit).toMatchObject({ unitsPerToken: 100, unitsPerMs: 1, capacityUnits: 10_000 })
  })
})

describe('two policies are the same', () => {
  const policy = definitionOf({ limits: [limitOf({ name: 'a' }), limitOf({ name: 'b' })], description: 'x' })

  it('if their definitions are equal', () => {
    expect(samePolicy(policy, structuredClone(policy))).toBe(true)
  })

  it.each([
    ['a mode', definitionOf({ ...policy, mode: 'shadow' })],
    ['onStoreFailure', definitionOf({ ...policy, onStoreFailure: 'deny' })],
    ['overdraft', definitionOf({ ...policy, overdraft: true })],
    ['a description', definitionOf({ ...policy, description: 'y' })],
    ['an added limit', definitionOf({ ...policy, limits: [...policy.limits, limitOf({ name: 'c' })] })],
    ['a removed limit', definitionOf({ ...policy, limits: policy.limits.slice(1) })],
    ['the order of limits', definitionOf({ ...policy, limits: [...policy.limits].reverse() })],
    ['a capacity', definitionOf({ ...policy, limits: [limitOf({ name: 'a', capacity: 11 }), limitOf({ name: 'b' })] })],
    [
      'a shadow limit',
      definitionOf({ ...policy, limits: [limitOf({ name: 'a' }), limitOf({ name: 'b', shadow: true })] }),
    ],
    ['an equal rate that is written differently', changedRate()],
  ])('but not if they differ by %s', (_, other) => {
    expect(samePolicy(policy, other)).toBe(false)
    expect(samePolicy(other, policy)).toBe(false)
  })

  function changedRate() {
    const doubled = { refillTokens: 2, refillIntervalMs: 2_000 }
    return definitionOf({ limits: [limitOf({ name: 'a', ...doubled }), limitOf({ name: 'b' })], description: 'x' })
  }
})
