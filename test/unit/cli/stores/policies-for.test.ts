import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { policiesFor } from '../../../../src/cli/stores/policies-for.ts'
import { compilePolicy, type PolicyDefinition } from '../../../../src/domain/policy.ts'
import type { PolicyRecord } from '../../../../src/domain/policy-record.ts'
import { PolicyTable } from '../../../../src/domain/policy-table.ts'

const definition = (capacity: number): PolicyDefinition => ({
  limits: [{ name: 'x', capacity, refillTokens: 1, refillIntervalMs: 1 }],
  mode: 'enforce',
})
const BUILT_IN = definition(1_000)

const shortKey = fc.string({ unit: fc.constantFrom('a', ':', '🙂'), minLength: 1, maxLength: 4 })
const configKey = fc.oneof(
  shortKey,
  fc.string({ unit: fc.constantFrom('a', ':', '🙂'), maxLength: 4 }).map(prefix => `${prefix}*`),
)

/** A reader of these policies. */
function readerOf(policies: ReadonlyMap<string, PolicyDefinition>) {
  return {
    get: async (key: string): Promise<PolicyRecord | undefined> => {
      const policy = policies.get(key)
      return policy && { key, version: 1, policy, updatedAt: '', updatedBy: '' }
    },
  }
}

describe('the policies for one check', () => {
  it('decide as all policies do', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(configKey, { maxLength: 12 }),
        shortKey,
        fc.option(configKey),
        async (keys, key, name) => {
          const policies = new Map(keys.map((stored, i) => [stored, definition(i + 1)]))
          const all = new PolicyTable(compilePolicy('default', 0, BUILT_IN))
          for (const [stored, policy] of policies) all.set(stored, 1, policy)
          const asked = { key, tokens: 1, ...(name !== null && { policy: name }) }
          const table = await policiesFor(asked, readerOf(policies), BUILT_IN)
          const [expected, found] = [all, table].map(one =>
            name === null ? one.match(key) : one.matchNamed(key, name),
          )
          expect(found?.configKey).toBe(expected?.configKey)
        },
      ),
    )
  })

  it('do not contain a temporary policy that has ended', async () => {
    const ended = { ...definition(1), expiresAt: '2000-01-01T00:00:00.000Z', then: null }
    const table = await policiesFor({ key: 'a', tokens: 1 }, readerOf(new Map([['a', ended]])), BUILT_IN)
    expect(table.match('a').configKey).toBe('default')
  })
})
