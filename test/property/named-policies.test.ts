import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { PolicyTable } from '../../src/domain/policy-table.ts'
import { definitionOf, policyOf } from '../support/policies.ts'
import { PROPERTY_TIMEOUT_MS, runs } from '../support/property-runs.ts'

/** Few and short, so that keys, prefixes and names often meet. */
const text = fc.string({ unit: fc.constantFrom('a', 'b', ':', '*'), maxLength: 3 })
const configKey = fc.oneof(
  text.map(prefix => `${prefix.replaceAll('*', '')}*`),
  text.map(key => `k${key.replaceAll('*', '')}`),
)
const change = fc.record({ configKey, isDeletion: fc.boolean() })
const check = fc.record({
  key: text.map(rest => `k${rest}`),
  name: fc.option(fc.oneof(configKey, fc.constant('default')), { nil: undefined }),
})

/** The documented order, by trying every stored policy. */
function expectedFor(stored: ReadonlySet<string>, key: string, name: string | undefined): string | undefined {
  if (!key.endsWith('*') && stored.has(key)) return key
  if (name !== undefined) return name === 'default' || stored.has(name) ? name : undefined
  const prefixes = [...stored].filter(other => other.endsWith('*') && key.startsWith(other.slice(0, -1)))
  return prefixes.sort((a, b) => b.length - a.length)[0] ?? 'default'
}

describe('the policy in force', () => {
  it(
    'is the exact one of the key, then the one that the caller names, then that of the longest prefix, then the built-in one',
    () => {
      fc.assert(
        fc.property(fc.array(change, { maxLength: 12 }), fc.array(check, { minLength: 1 }), (changes, checks) => {
          const table = new PolicyTable(policyOf('default', {}, 0))
          const stored = new Set<string>()
          for (const { configKey: changed, isDeletion } of changes) {
            if (isDeletion) table.delete(changed)
            else table.set(changed, 1, definitionOf())
            if (isDeletion) stored.delete(changed)
            else stored.add(changed)
          }
          for (const { key, name } of checks) {
            const found = name === undefined ? table.match(key) : table.matchNamed(key, name)
            expect(found?.configKey).toBe(expectedFor(stored, key, name))
          }
        }),
        runs(1_000, 50_000),
      )
    },
    PROPERTY_TIMEOUT_MS,
  )
})
