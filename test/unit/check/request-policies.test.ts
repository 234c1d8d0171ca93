import { beforeEach, describe, expect, it, jest } from '@jest/globals'
import { RequestPolicies } from '../../../src/check/request-policies.ts'
import { PolicyTable } from '../../../src/domain/policy-table.ts'
import { definitionOf, limitOf, policyOf, quotaOf } from '../../support/policies.ts'

const limit = limitOf({ capacity: 16, refillTokens: 30, refillIntervalMs: 60_000 })

let table: PolicyTable
let policies: RequestPolicies
beforeEach(() => {
  table = new PolicyTable(policyOf('default', {}, 0))
  policies = new RequestPolicies(table)
})

describe('the policy of a limit that comes with a call', () => {
  it('is that limit, under the name "request" and at version 0, and not the built-in policy', () => {
    expect(policies.policyFor('user:1', limit)).toMatchObject({
      configKey: 'request',
      version: 0,
      definition: { limits: [limit], mode: 'enforce' },
    })
  })

  it.each(['user:1', 'user:*', '*'])('is the one that an operator stored as "%s"', configKey => {
    table.set(configKey, 7, definitionOf())
    expect(policies.policyFor('user:1', limit)).toMatchObject({ configKey, version: 7 })
  })

  it('is the same object for equal limits, so that remembered denials are recognized', () => {
    expect(policies.policyOf({ ...limit })).toBe(policies.policyOf(limit))
    expect(policies.policyOf({ ...limit, capacity: 17 })).not.toBe(policies.policyOf(limit))
  })

  it('is kept for a bounded number of limits', () => {
    const first = policies.policyOf(limit)
    for (let capacity = 1_001; capacity <= 2_000; capacity++) policies.policyOf({ ...limit, capacity })
    expect(policies.policyOf(limit)).not.toBe(first)
  })

  it('is kept while it is used, however many others are', () => {
    const used = policies.policyOf(limit)
    for (let capacity = 1_001; capacity <= 5_000; capacity++) {
      policies.policyOf({ ...limit, capacity })
      if (capacity % 400 === 0) policies.policyOf(limit)
    }
    expect(policies.policyOf(limit)).toBe(used)
  })

  it('is noted if it has a quota, as one of an operator is', () => {
    const onFirstQuota = jest.fn()
    policies = new RequestPolicies(new PolicyTable(policyOf('default', {}, 0), onFirstQuota))
    policies.policyOf(limit)
    expect(onFirstQuota).not.toHaveBeenCalled()
    policies.policyOf(quotaOf())
    policies.policyOf(quotaOf({ capacity: 20 }))
    expect(onFirstQuota).toHaveBeenCalledTimes(1)
  })

  it('is refused if it could not be counted exactly, even where another policy decides', () => {
    table.set('*', 1, definitionOf())
    const inexact = limitOf({ capacity: 1_000_000_000, refillTokens: 1, refillIntervalMs: 2_678_400_000 })
    expect(() => policies.policyFor('user:1', inexact)).toThrow(
      expect.objectContaining({ code: 'validation-failed', message: expect.stringContaining('2^53') }),
    )
  })
})
