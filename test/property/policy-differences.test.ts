import { isDeepStrictEqual } from 'node:util'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import type { Limit, PolicyDefinition } from '../../console/api/types.ts'
import { differencesOf } from '../../console/text/policy-differences.ts'
import { PROPERTY_TIMEOUT_MS, runs } from '../support/property-runs.ts'

/** Of what a member can be, some values that are nearly the same, so that two policies often differ in little. */
const name = fc.constantFrom('a', 'b', 'c')
const capacity = fc.constantFrom(1, 1000, 1001, 1_000_000_000)
const interval = fc.oneof(
  fc.constantFrom(1000, 1001, 1099, 90_001, 91_000, 86_400_000, 89_900_000, 172_800_000, 176_399_000),
  fc.integer({ min: 1, max: 2_678_400_000 }),
)
const shadow = fc.constant(true)
const limit: fc.Arbitrary<Limit> = fc.oneof(
  fc.record(
    { name, capacity, refillTokens: fc.constantFrom(1, 2), refillIntervalMs: interval, shadow },
    { requiredKeys: ['name', 'capacity', 'refillTokens', 'refillIntervalMs'], noNullPrototype: true },
  ),
  fc.record(
    {
      name,
      capacity,
      kind: fc.constant('quota'),
      period: fc.constantFrom('day', 'month'),
      timeZone: fc.constantFrom('Europe/Paris', 'Europe/Berlin'),
      anchor: fc.constantFrom('2026-01-15T09:00', '2026-01-15T09:01'),
      shadow,
    },
    { requiredKeys: ['name', 'capacity', 'kind', 'period'], noNullPrototype: true },
  ),
  fc.record(
    { name, capacity, kind: fc.constant('concurrency'), shadow },
    { requiredKeys: ['name', 'capacity', 'kind'], noNullPrototype: true },
  ),
)
const members = {
  limits: fc.uniqueArray(limit, { minLength: 1, maxLength: 3, selector: ({ name }) => name }),
  mode: fc.constantFrom('enforce', 'shadow', 'off', 'block'),
  onStoreFailure: fc.constantFrom('local', 'allow', 'deny'),
  overdraft: fc.constant(true),
  description: fc.constantFrom('', ' ', 'x', 'X', 'true', 'null', 'no policy'),
}
const lasting: fc.Arbitrary<PolicyDefinition> = fc.record(members, { requiredKeys: ['mode'], noNullPrototype: true })
const end = fc.constantFrom('2026-10-25T00:30:00.100Z', '2026-10-25T00:30:00.900Z', '2026-10-25T01:30:00.100Z')
const temporary = fc
  .tuple(lasting, end, fc.option(lasting))
  .map(([given, expiresAt, then]): PolicyDefinition => ({ ...given, expiresAt, then }))
const policy = fc.option(fc.oneof(lasting, temporary))

/** Two policies. The second often is the first one with one or two members of another, or with other intervals. */
const pair = fc
  .tuple(policy, policy, fc.array(fc.constantFrom(...Object.keys(members), 'expiresAt', 'then')), fc.option(interval))
  .map(([from, other, changed, changedInterval]): readonly [PolicyDefinition | null, PolicyDefinition | null] => {
    if (from === null || other === null || changed.length === 0) return [from, other]
    const taken = Object.entries(other).filter(([member]) => changed.includes(member))
    return [
      from,
      changedInterval === null ? { ...from, ...Object.fromEntries(taken) } : withInterval(from, changedInterval),
    ]
  })

function withInterval(policy: PolicyDefinition, refillIntervalMs: number): PolicyDefinition {
  if (policy.limits === undefined) return policy
  return {
    ...policy,
    limits: policy.limits.map(each => (each.kind === undefined ? { ...each, refillIntervalMs } : each)),
  }
}

/** The same value, whose objects have their members in the reverse order. */
function reversed<Value>(value: Value): Value {
  if (Array.isArray(value)) return value.map(reversed) as Value
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([member, part]) => [member, reversed(part)])
  return Object.fromEntries(entries.reverse()) as Value
}

describe('the differences that the console shows', () => {
  it(
    'are none between equal policies',
    () => fc.assert(fc.property(policy, hasNoDifference), runs(2_000, 100_000)),
    PROPERTY_TIMEOUT_MS,
  )

  it(
    'are some between policies that differ in any member, and each shows two different values',
    () => fc.assert(fc.property(pair, hasDifferences), runs(5_000, 500_000)),
    PROPERTY_TIMEOUT_MS,
  )
})

function hasNoDifference(given: PolicyDefinition | null): void {
  expect(differencesOf(given, reversed(given))).toEqual([])
}

function hasDifferences([from, to]: readonly [PolicyDefinition | null, PolicyDefinition | null]): void {
  const differences = differencesOf(from, to)
  expect(differences.length > 0).toBe(!isDeepStrictEqual(from, to))
  for (const difference of differences) expect(difference.from).not.toBe(difference.to)
}
