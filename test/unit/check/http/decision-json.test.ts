import { describe, expect, it } from '@jest/globals'
import { decisionJson } from '../../../../src/check/http/decision-json.ts'
import { type Decision, decideByBucket, decideByMode, decideByOutage } from '../../../../src/domain/decision.ts'
import type { Limit } from '../../../../src/domain/limits/limit.ts'
import { compilePolicy, type Mode } from '../../../../src/domain/policy.ts'

const BURST: Limit = { name: 'burst', capacity: 10, refillTokens: 1, refillIntervalMs: 1000 }
const DAILY: Limit = { name: 'daily', capacity: 100, refillTokens: 100, refillIntervalMs: 86_400_000 }

function asked(limits: readonly Limit[], mode: Mode = 'enforce', key = 'user:1') {
  return { key, tokens: 2, policy: compilePolicy('user:*', 3, { limits, mode }) }
}

const parsed = (decision: Decision | undefined) => JSON.parse(decisionJson(decision as Decision))

describe('the JSON of a decision', () => {
  it('has the documented members', () => {
    const decision = decideByBucket(asked([BURST]), { allowed: true, spent: [2000], refillPausedMs: 0 }, 'redis')
    expect(decisionJson(decision)).toBe(
      '{"allowed":true,"key":"user:1","policy":"user:*","policyVersion":3,"limit":10,"remaining":8,"retryAfterMs":0,"resetAfterMs":2000,"source":"redis"}',
    )
  })

  it('names the limits that denied, and gives each of several its own values', () => {
    const reading = { allowed: false, spent: [9000, 0], refillPausedMs: 0 }
    expect(parsed(decideByBucket(asked([BURST, DAILY]), reading, 'denied-cache'))).toMatchObject({
      allowed: false,
      retryAfterMs: 1000,
      source: 'denied-cache',
      'violated-policies': ['burst'],
      limits: [
        { name: 'burst', limit: 10, remaining: 1, retryAfterMs: 1000, resetAfterMs: 9000 },
        { name: 'daily', limit: 100, remaining: 100, retryAfterMs: 0, resetAfterMs: 0 },
      ],
    })
  })

  it('says that a limit would have denied, and that the store was unavailable', () => {
    const reading = { allowed: false, spent: [10_000], refillPausedMs: 0 }
    const shadowed = parsed(decideByBucket(asked([BURST], 'shadow'), reading, 'local'))
    expect(shadowed).toMatchObject({ allowed: true, shadowed: true, degraded: true, 'violated-policies': ['burst'] })
    const unknown = parsed(decideByOutage(asked([BURST])))
    expect(unknown).toMatchObject({ remaining: null, resetAfterMs: null, degraded: true })
  })

  it('has no member that does not apply', () => {
    const members = Object.keys(parsed(decideByMode(asked([BURST, DAILY], 'off'))))
    for (const member of ['degraded', 'shadowed', 'violated-policies', 'limits']) expect(members).not.toContain(member)
  })

  it.each(['"', '\\', 'a"b\\c', '{"}', 'ключ', '🗝️', '\u2028', 'a/b', '</script>'])('contains the key %j', key => {
    expect(parsed(decideByMode(asked([BURST], 'off', key)))).toMatchObject({ key })
  })
})
