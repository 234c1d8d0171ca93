import { expect, it } from '@jest/globals'
import { decisionText } from '../../../src/cli/decision-text.ts'

const decision = {
  allowed: true,
  key: 'user:42',
  policy: 'user:*',
  policyVersion: 3,
  limit: 100,
  remaining: 99,
  retryAfterMs: 0,
  resetAfterMs: 100,
  source: 'redis',
}

it('an allowed check', () => {
  expect(decisionText(decision)).toBe(`result      allowed
key         user:42
policy      user:*, version 3
remaining   99 of 100
full after  100 ms
decided by  redis
`)
})

it('a denied check says why, and when to ask again', () => {
  const detail = '0 of 100 tokens left; 10 more every 1000 ms'
  const denied = { ...decision, allowed: false, remaining: 0, retryAfterMs: 1500, code: 'quota-exceeded', detail }
  expect(decisionText(denied)).toMatch(/^result {7}denied: 0 of 100 tokens left.*\n[\s\S]*retry after {2}1\.5 s\n/)
})

it('a blocked check can never be allowed', () => {
  const blocked = { ...decision, allowed: false, limit: null, remaining: 0, retryAfterMs: null, resetAfterMs: null }
  expect(decisionText(blocked)).toBe(`result       denied
key          user:42
policy       user:*, version 3
retry after  never
decided by   redis
`)
})

it('a shadowed check, and one by the built-in policy', () => {
  const shadowed = { ...decision, shadowed: true, 'violated-policies': ['burst', 'daily'] }
  expect(decisionText(shadowed)).toContain('allowed, but would be denied without shadow: burst, daily\n')
  expect(decisionText({ ...decision, policy: 'default', policyVersion: 0 })).toContain('default (built in)\n')
})

it('several limits are a table', () => {
  const limits = [
    { name: 'a', remaining: 1 },
    { name: 'b', remaining: 2 },
  ]
  expect(decisionText({ ...decision, limits })).toMatch(/\n\nname {2}remaining\na {5}1\nb {5}2\n$/)
})
