import { describe, expect, it } from '@jest/globals'
import { differenceText } from '../../../src/cli/import-difference.ts'
import type { ImportDifference, ImportDryRun } from '../../../src/config-change/import/dry-run-import.ts'
import { definitionOf, limitOf } from '../../support/policies.ts'

const shown = (overrides: Parameters<typeof definitionOf>[0] = {}) => {
  const { limits = [], ...rest } = definitionOf(overrides)
  return { limits: [...limits], ...rest }
}

function textOf(differences: readonly ImportDifference[], overrides: Partial<ImportDryRun> = {}): string {
  return differenceText({ created: 0, changed: 0, unchanged: 0, deleted: 0, differences, ...overrides })
}

describe('the difference of an import', () => {
  it('has the members of a policy that is created, changed or deleted', () => {
    const from = shown({ limits: [limitOf(), limitOf({ name: 'daily', capacity: 500 })], description: 'plan A' })
    const to = shown({ limits: [limitOf({ capacity: 20 }), limitOf({ name: 'daily', capacity: 500 })], mode: 'shadow' })
    const differences: ImportDifference[] = [
      { key: 'user:1', type: 'created', from: null, to: shown() },
      { key: 'user:2', type: 'changed', from, to },
      { key: 'user:3', type: 'deleted', from: shown({ limits: [], mode: 'block' }), to: null },
    ]
    const counts = { created: 1, changed: 1, unchanged: 7, deleted: 1 }
    expect(textOf(differences, counts)).toBe(`+ user:1
    + limit default: capacity 10, refillTokens 1, refillIntervalMs 1000
    + mode: enforce
~ user:2
    - limit default: capacity 10, refillTokens 1, refillIntervalMs 1000
    - mode: enforce
    - description: plan A
    + limit default: capacity 20, refillTokens 1, refillIntervalMs 1000
    + mode: shadow
- user:3
    - mode: block
1 to create, 1 to change, 1 to delete, 7 unchanged
`)
  })

  it('has the end of a temporary policy, and what follows it', () => {
    const raised = { ...shown(), expiresAt: '2026-01-31T12:00:00.000Z' }
    const differences: ImportDifference[] = [
      { key: 'a', type: 'changed', from: { ...raised, then: shown({ mode: 'off' }) }, to: { ...raised, then: null } },
    ]
    expect(textOf(differences, { changed: 1 })).toBe(`~ a
    - then limit default: capacity 10, refillTokens 1, refillIntervalMs 1000
    - then mode: off
    + then: null
0 to create, 1 to change, 0 to delete, 0 unchanged
`)
  })

  it('says how many more there are', () => {
    const differences: ImportDifference[] = [{ key: 'a', type: 'deleted', from: shown({ limits: [] }), to: null }]
    const text = textOf(differences, { deleted: 8, truncated: true })
    expect(text).toContain('\n… and 7 more\n0 to create, 0 to change, 8 to delete, 0 unchanged\n')
  })

  it('shows the control characters of a file as escape sequences', () => {
    const to = shown({ limits: [], description: 'a\u001b[31m\nb' })
    const text = textOf([{ key: '\u202euser', type: 'created', from: null, to }], { created: 1 })
    expect(text).toContain('+ \\u202euser\n')
    expect(text).toContain('    + description: a\\u001b[31m\\u000ab\n')
  })
})
