import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { compilePolicy, type PolicyDefinition } from '../../src/domain/policy.ts'
import { RedisBucketStore } from '../../src/redis/buckets/redis-bucket-store.ts'
import { BucketKeys } from '../../src/redis/keys.ts'
import { PoliciesOverTime } from '../../src/simulation/policies-over-time.ts'
import type { RecordedCheck } from '../../src/simulation/recorded-check.ts'
import { ReplayedBucket } from '../../src/simulation/replayed-bucket.ts'
import { Simulation } from '../../src/simulation/simulation.ts'
import { limits } from '../support/arbitrary-limits.ts'
import { type History, history, play, START_MS } from '../support/bucket-histories.ts'
import { counterexamples } from '../support/counterexamples.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { frontClock, givenClockedRedis } from '../support/given-clocked-redis.ts'
import { definitionOf, policyOf } from '../support/policies.ts'
import { PROPERTY_TIMEOUT_MS, runs } from '../support/property-runs.ts'

describe('a replayed bucket', () => {
  it(
    'decides what the oracle expects, by one policy and by several in turn',
    () => {
      fc.assert(fc.property(history, decidesAsExpected), { ...runs(100, 20_000), examples: counterexamples })
    },
    PROPERTY_TIMEOUT_MS,
  )

  it(
    'decides what the oracle expects if one policy decides for each key',
    () => {
      const ofOnePolicy = history.map(told => ({ ...told, policies: told.policies.slice(0, 1) }))
      fc.assert(fc.property(ofOnePolicy, decidesAsExpected), runs(100, 20_000))
    },
    PROPERTY_TIMEOUT_MS,
  )
})

function decidesAsExpected(told: History): void {
  const buckets = new Map<string, ReplayedBucket>()
  for (const { nowMs, checks } of play(told)) {
    for (const { key, policy, tokens, expected } of checks) {
      const bucket = buckets.get(key) ?? new ReplayedBucket(policy.limits)
      buckets.set(key, bucket)
      const verdict = !expected.allowed ? 'denied' : expected.shadowed ? 'shadowed' : 'allowed'
      expect(bucket.check(policy.limits, tokens, nowMs)).toBe(verdict)
    }
  }
}

/** Checks of a few keys by one policy, in the order of their times. */
const traffic = fc
  .array(
    fc.record({
      afterMs: fc.constantFrom(0, 1, 50, 1_000, 90_000, 86_400_000),
      key: fc.constantFrom('a', 'b'),
      tokens: fc.integer({ min: 0, max: 6 }),
    }),
    { minLength: 1, maxLength: 40, size: 'max' },
  )
  .map(checks => {
    let atMs = START_MS
    return checks.map(({ afterMs, key, tokens }): RecordedCheck => {
      atMs += afterMs
      return { atMs, key, tokens, policy: undefined }
    })
  })

describe('the smallest capacity of a limit', () => {
  it(
    'denies nothing, and one token less denies something',
    () => {
      const property = fc.property(limits, traffic, (limits, checks) => {
        const definition = definitionOf({ limits })
        const smallest = simulate(definition, checks).limits.map(({ smallestCapacity }) => smallestCapacity)
        fc.pre(smallest.every(capacity => capacity !== null))
        const capacities = smallest.map(Number)
        expect(deniedBy(withCapacities(definition, capacities), checks)).toBe(0)
        for (const [i, capacity] of capacities.entries()) {
          if (capacity === 1) continue
          const less = withCapacities(definition, capacities.with(i, capacity - 1))
          expect(deniedBy(less, checks)).toBeGreaterThan(0)
        }
      })
      fc.assert(property, runs(100, 20_000))
    },
    PROPERTY_TIMEOUT_MS,
  )
})

function simulate(definition: PolicyDefinition, checks: readonly RecordedCheck[]) {
  const simulation = new Simulation(new PoliciesOverTime(policyOf('default', definition)))
  for (const check of checks) simulation.check(check)
  const [report] = simulation.report()
  if (report === undefined) throw new Error('no policy decided')
  return report
}

/** Checks that the limits deny, or as shadow limits would deny. */
function deniedBy(definition: PolicyDefinition, checks: readonly RecordedCheck[]): number {
  const { denied, shadowed } = simulate(definition, checks)
  return denied + shadowed
}

function withCapacities(definition: PolicyDefinition, capacities: readonly number[]): PolicyDefinition {
  const limits = definition.limits.map((limit, i) => ({ ...limit, capacity: capacities[i] ?? limit.capacity }))
  return { ...definition, limits }
}

describeWithRedis('a simulation of what the bucket store decided', () => {
  const given = givenClockedRedis(START_MS)

  it(
    'counts the same decisions if the clock of the store is that of the traffic',
    async () => {
      let namespaces = 0
      const property = fc.asyncProperty(limits, traffic, fc.boolean(), async (limits, checks, hasOverdraft) => {
        const store = new RedisBucketStore(given.redis, new BucketKeys(`simulated-${namespaces++}`))
        const policy = compilePolicy('default', 0, definitionOf({ limits, ...(hasOverdraft && { overdraft: true }) }))
        let denied = 0
        for (const { atMs, key, tokens } of checks) {
          frontClock.nowMs = atMs
          const [, [reading]] = await Promise.all([given.redis.setClock(atMs), store.check([{ key, policy, tokens }])])
          if (reading?.allowed === false) denied++
        }
        expect(simulate(policy.definition, checks)).toMatchObject({ checks: checks.length, denied })
      })
      await fc.assert(property, runs(50, 5_000))
    },
    PROPERTY_TIMEOUT_MS,
  )
})
