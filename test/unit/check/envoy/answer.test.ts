import { describe, expect, it } from '@jest/globals'
import { answerOf } from '../../../../src/check/envoy/answer.ts'
import { unitOf } from '../../../../src/check/envoy/units.ts'
import { decideByBucket, decideByMode, decideByOutage } from '../../../../src/domain/decision.ts'
import type { Limit } from '../../../../src/domain/limits/limit.ts'
import { Problem } from '../../../../src/lib/errors.ts'
import { policyOf } from '../../../support/policies.ts'

const limit = (capacity: number, name = 'default') => ({ name, capacity, refillTokens: 1, refillIntervalMs: 1_000 })
const byBucket = (capacity: number, spent: number, tokens = 1) =>
  decideByBucket(
    { key: 'k', policy: policyOf('k', { limits: [limit(capacity)] }), tokens },
    { allowed: spent < capacity || tokens === 0, spent: [spent * 1_000], refillPausedMs: 0 },
    'redis',
  )
const BLOCKED = decideByMode({ key: 'k', policy: policyOf('k', { mode: 'block' }), tokens: 1 })
const UNKNOWN = decideByOutage({ key: 'k', policy: policyOf('k'), tokens: 1 })
const UNAVAILABLE = new Problem('store-unavailable', 'away')

const headersOf = (...results: Parameters<typeof answerOf>[0]) => {
  const answer = answerOf(results, 'legacy')
  if (answer instanceof Problem) throw answer
  return Object.fromEntries(answer.headers.map(({ key, value }) => [key, value]))
}

describe('an answer', () => {
  it('is a problem if a descriptor has no decision, unless another one is over its limit', () => {
    expect(answerOf([byBucket(2, 1), UNAVAILABLE], 'none')).toBe(UNAVAILABLE)
    expect(answerOf([byBucket(1, 1), UNAVAILABLE], 'none')).toMatchObject({
      overallCode: 'OVER_LIMIT',
      statuses: [{ code: 'OVER_LIMIT' }, { code: 'UNKNOWN' }],
    })
  })

  it('has the fields of the descriptor with the least left, where unknown is most', () => {
    expect(headersOf(UNKNOWN, byBucket(10, 2), byBucket(100, 50), undefined)).toMatchObject({
      'x-ratelimit-limit': '100',
    })
  })

  it('has the fields of the denied descriptor with the longest wait, where never is longest', () => {
    expect(headersOf(byBucket(5, 5), byBucket(9, 9, 3), byBucket(7, 7))).toMatchObject({
      'retry-after': '3',
      'x-ratelimit-limit': '9',
    })
    expect(headersOf(byBucket(5, 5), BLOCKED)).toEqual({})
  })

  it('counts what is unknown as unlimited', () => {
    expect(answerOf([UNKNOWN], 'both')).toMatchObject({ statuses: [{ code: 'OK', limitRemaining: 2 ** 32 - 1 }] })
  })
})

describe('the unit of a limit', () => {
  it.each<[string, object]>([
    ['SECOND', { capacity: 5, refillTokens: 5, refillIntervalMs: 1_000 }],
    ['MINUTE', { capacity: 60, refillTokens: 1, refillIntervalMs: 1_000 }],
    ['HOUR', { capacity: 1, refillTokens: 1, refillIntervalMs: 3_600_000 }],
    ['WEEK', { capacity: 7, refillTokens: 1, refillIntervalMs: 86_400_000 }],
    ['UNKNOWN', { capacity: 61, refillTokens: 1, refillIntervalMs: 1_000 }],
    ['MONTH', { kind: 'quota', capacity: 61, period: 'month' }],
  ])('is %s', (unit, of) => {
    const { limits } = policyOf('k', { limits: [{ name: 'a', ...of } as Limit] })
    expect(limits.map(unitOf)).toEqual([unit])
  })
})
