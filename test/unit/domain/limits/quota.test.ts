import { describe, expect, it } from '@jest/globals'
import { checkBucket } from '../../../../src/domain/bucket.ts'
import { decideByBucket, explain } from '../../../../src/domain/decision.ts'
import type { Limit } from '../../../../src/domain/limits/limit.ts'
import { CompiledQuota, type QuotaLimit } from '../../../../src/domain/limits/quota.ts'
import { compilePolicy } from '../../../../src/domain/policy.ts'
import type { Bucket } from '../../../../src/domain/stored-bucket.ts'
import { limitOf } from '../../../support/policies.ts'

const BERLIN: QuotaLimit = {
  name: 'monthly',
  kind: 'quota',
  capacity: 10,
  period: 'month',
  timeZone: 'Europe/Berlin',
  anchor: '2026-01-31T09:00',
}
const HOUR_MS = 3_600_000

/** A key whose clock is set by hand. */
class Key {
  #bucket: Bucket | undefined

  check(limits: readonly Limit[], tokens: number, at: string) {
    const policy = compilePolicy('x', 1, { limits, mode: 'enforce' })
    const { reading, bucket } = checkBucket(this.#bucket, policy.limits, tokens, Date.parse(at))
    this.#bucket = bucket
    return decideByBucket({ key: 'x', policy, tokens }, reading, 'redis')
  }
}

/** When consecutive periods begin. */
function starts(limit: Partial<QuotaLimit>, from: string, count: number): string[] {
  const quota = new CompiledQuota({ ...BERLIN, ...limit }, 1)
  let atMs = Date.parse(from)
  return Array.from({ length: count }, () => {
    const { startMs, endMs } = quota.periodAt(atMs)
    atMs = endMs
    return new Date(startMs).toISOString().slice(0, 'yyyy-mm-ddThh:mm'.length)
  })
}

describe('the periods of a quota', () => {
  it('of a month from the 31st at 9:00 in Berlin begin on the last day of shorter months, by summer time too', () => {
    expect(starts({}, '2026-01-31T08:00Z', 13)).toEqual([
      '2026-01-31T08:00',
      '2026-02-28T08:00',
      '2026-03-31T07:00',
      '2026-04-30T07:00',
      '2026-05-31T07:00',
      '2026-06-30T07:00',
      '2026-07-31T07:00',
      '2026-08-31T07:00',
      '2026-09-30T07:00',
      '2026-10-31T08:00',
      '2026-11-30T08:00',
      '2026-12-31T08:00',
      '2027-01-31T08:00',
    ])
  })

  it('of a year from a leap day begin on 28 February in other years', () => {
    const leap = { period: 'year', timeZone: 'UTC', anchor: '2024-02-29T00:00' } as const
    const expected = ['2025-02-28T00:00', '2026-02-28T00:00', '2027-02-28T00:00', '2028-02-29T00:00']
    expect(starts(leap, '2026-01-01T00:00Z', 4)).toEqual(expected)
  })

  it.each([
    ['minute', '2026-03-29T00:59'],
    ['hour', '2026-03-29T00:00'],
    ['day', '2026-03-28T23:00'],
    ['week', '2026-03-22T23:00'],
    ['month', '2026-02-28T23:00'],
    ['year', '2025-12-31T23:00'],
  ] as const)('of a %s begin at midnight, on Monday or the 1st, unless there is an anchor', (period, start) => {
    const { anchor: _, ...withoutAnchor } = BERLIN
    const { startMs } = new CompiledQuota({ ...withoutAnchor, period }, 1).periodAt(
      Date.parse('2026-03-29T00:59:59.999Z'),
    )
    expect(startMs).toBe(Date.parse(`${start}Z`))
  })
})

describe('a quota', () => {
  it('allows its capacity in each period, and all of it again in the next', () => {
    const key = new Key()
    expect(key.check([BERLIN], 10, '2026-02-28T07:59:59.998Z')).toMatchObject({ allowed: true, remaining: 0 })
    const denied = key.check([BERLIN], 1, '2026-02-28T07:59:59.999Z')
    expect(denied).toMatchObject({ allowed: false, retryAfterMs: 1, resetAfterMs: 1 })
    expect(explain(denied)).toBe('0 of 10 tokens left; 10 again in each month')
    expect(key.check([BERLIN], 10, '2026-02-28T08:00Z')).toMatchObject({ allowed: true, remaining: 0 })
  })

  it('stays in the period of the last spending if the clock goes back by up to 10 s', () => {
    const key = new Key()
    key.check([BERLIN], 10, '2026-02-28T08:00:05Z')
    expect(key.check([BERLIN], 1, '2026-02-28T07:59:55Z')).toMatchObject({ allowed: false })
    expect(key.check([BERLIN], 1, '2026-03-31T06:59:59Z')).toMatchObject({ allowed: false, retryAfterMs: 1_000 })
  })

  it('is not granted again if the clock goes over the end of its period and back by up to 10 s', () => {
    const key = new Key()
    key.check([BERLIN], 10, '2026-02-28T07:59:58Z')
    expect(key.check([BERLIN], 0, '2026-02-28T08:00:08Z')).toMatchObject({ allowed: true, remaining: 10 })
    expect(key.check([BERLIN], 1, '2026-02-28T07:59:59Z')).toMatchObject({ allowed: false, retryAfterMs: 1_000 })
  })

  it('forgets nothing when its capacity is lowered', () => {
    const key = new Key()
    key.check([BERLIN], 10, '2026-02-01T00:00Z')
    const lowered = key.check([{ ...BERLIN, capacity: 5 }], 0, '2026-02-02T00:00Z')
    expect(lowered).toMatchObject({ allowed: false, remaining: 0 })
    const raised = key.check([{ ...BERLIN, capacity: 12 }], 2, '2026-02-03T00:00Z')
    expect(raised).toMatchObject({ allowed: true, remaining: 0 })
  })

  it('counts under another calendar only if it was last spent from in the present period', () => {
    const key = new Key()
    key.check([BERLIN], 4, '2026-02-10T10:00Z')
    const daily: QuotaLimit = { ...BERLIN, period: 'day' }
    expect(key.check([daily], 0, '2026-02-10T11:00Z').remaining).toBe(6)
    expect(key.check([daily], 0, '2026-02-11T11:00Z').remaining).toBe(10)
    expect(key.check([BERLIN], 0, '2026-02-11T11:00Z').remaining).toBe(6)
  })

  it('counts apart from a token bucket of the same name', () => {
    const key = new Key()
    const bucket = limitOf({ name: 'monthly', refillIntervalMs: 2_000_000_000 })
    key.check([bucket], 3, '2026-02-10T10:00Z')
    expect(key.check([BERLIN], 1, '2026-02-10T10:00Z').remaining).toBe(9)
    expect(key.check([bucket], 0, '2026-02-10T10:00Z').remaining).toBe(7)
  })
})

describe('a process’s share of a quota', () => {
  const shareOf = (quota: Partial<QuotaLimit>, processes: number) =>
    new CompiledQuota({ ...BERLIN, ...quota }, 1).shareOf(processes, Date.parse('2026-02-10T00:00Z'))

  it.each([
    ['a month', { capacity: 1_000_000 }, 28 * 24],
    ['a month with few tokens', { capacity: 7 }, 28 * 24],
    ['a month with the most tokens', { capacity: 1_000_000_000 }, 28 * 24],
    ['a year', { period: 'year', capacity: 1_000_000, timeZone: 'UTC', anchor: '2026-01-01T00:00' }, 365 * 24],
    ['an hour', { period: 'hour', capacity: 100 }, 1],
    ['a minute', { period: 'minute', capacity: 1_000_000_000 }, 1 / 60],
  ] as const)('refills evenly over %s, and holds what refills in an hour', (_, quota, hours) => {
    const { capacity, refillTokens, refillIntervalMs, unitsPerToken, timeScale } = shareOf(quota, 4)
    const perHour = quota.capacity / hours
    const refilled = (refillTokens * HOUR_MS) / refillIntervalMs
    expect(refilled / perHour).toBeGreaterThan(0.999)
    expect(refilled / perHour).toBeLessThan(1 + 1e-12)
    expect(timeScale).toBe(4)
    expect(capacity).toBe(Math.ceil(Math.min(quota.capacity, perHour) / 4))
    expect((capacity + quota.capacity) * unitsPerToken).toBeLessThanOrEqual(Number.MAX_SAFE_INTEGER)
  })

  it('allows one check of the whole capacity when it is full', () => {
    expect(shareOf({}, 4).maxTokensPerCheck).toBe(10)
  })
})
