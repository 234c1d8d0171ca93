import { describe, expect, it } from '@jest/globals'
import { dryRunText, eventsText, isChange, policyText } from '../../../src/cli/policy-text.ts'

const burst = { name: 'burst', capacity: 100, refillTokens: 10, refillIntervalMs: 1000 }
const lasting = { limits: [burst], mode: 'enforce' }
const temporary = { ...lasting, expiresAt: '2027-01-01T00:00:00.000Z' }
const stored = { key: 'user:*', version: 3, updatedAt: '2026-01-31T12:00:00.000Z', updatedBy: 'ann' }

const LIMITS = `name   capacity  refillTokens  refillIntervalMs
burst  100       10            1000
`

describe('a policy on a terminal', () => {
  it('shows its members, and its limits as a table', () => {
    expect(policyText({ ...stored, ...lasting, description: 'sold as plan B' })).toBe(`key          user:*
version      3
updated      2026-01-31T12:00:00.000Z by ann
mode         enforce
description  sold as plan B

${LIMITS}`)
  })

  it('without limits has no table', () => {
    expect(policyText({ ...stored, mode: 'block' })).toMatch(/mode {5}block\n$/)
  })

  it('shows what follows a temporary one', () => {
    expect(policyText({ ...stored, ...temporary, then: null })).toMatch(
      /expiresAt {2}2027-01-01T00:00:00\.000Z[\s\S]*\nthen no policy\n$/,
    )
    expect(policyText({ ...stored, ...temporary, then: lasting })).toMatch(
      new RegExp(`\nthen:\nmode  enforce\n\n${LIMITS}$`),
    )
  })
})

it('a history on a terminal has one change per line', () => {
  const event = { at: '2026-01-31T12:00:00.000Z', commandId: '2-x' }
  const events = [
    {
      ...event,
      version: 1,
      type: 'created',
      actor: 'ann',
      reason: 'plan B',
      policy: { ...temporary, overdraft: true, then: null },
    },
    { ...event, version: 2, type: 'deleted', actor: 'bob', policy: null },
  ]
  expect(eventsText(events)).toBe(`version  type     at                        actor  reason  policy
1        created  2026-01-31T12:00:00.000Z  ann    plan B  enforce; burst: capacity 100, refillTokens 10, refillIntervalMs 1000; overdraft; until 2027-01-01T00:00:00.000Z
2        deleted  2026-01-31T12:00:00.000Z  bob
`)
})

describe('a dry run', () => {
  const nothing = { dryRun: true, matches: 0, warnings: [] } as const

  it('of a change shows both policies, what still takes precedence, and warnings', () => {
    const body = {
      dryRun: true,
      from: null,
      to: lasting,
      matches: 2,
      warnings: ['the key looks like a network'],
    } as const
    expect(isChange(body)).toBe(true)
    expect(dryRunText('user:*', body)).toBe(`"user:*" would change

from:
no policy

to:
mode  enforce

${LIMITS}policies inside "user:*" that still take precedence: 2
warning: the key looks like a network
`)
  })

  it('without a change says so', () => {
    expect(isChange({ from: lasting, to: { ...lasting } })).toBe(false)
    expect(dryRunText('a', { from: lasting, to: { ...lasting }, ...nothing })).toBe('"a" would not change\n')
  })
})
