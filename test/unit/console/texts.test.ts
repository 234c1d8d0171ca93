import { describe, expect, it } from '@jest/globals'
import {
  formatCount,
  formatDuration,
  formatExactDuration,
  formatExactTime,
  formatRate,
  formatTime,
  fromLocalInput,
  toLocalInput,
} from '../../../console/text/format.ts'
import { definitionOf, limitText, reasonText } from '../../../console/text/policy-text.ts'

describe('figures', () => {
  it.each([
    [0, '0 ms'],
    [0.2, '1 ms'],
    [87, '87 ms'],
    [1000, '1 s'],
    [1001, '1.1 s'],
    [12_001, '13 s'],
    [90_000, '1 min 30 s'],
    [3_600_000, '1 h'],
    [77_580_000, '21 h 33 min'],
    [2_678_400_000, '31 d'],
  ])('%d ms is %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
  })

  it.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [1001, '1.001 s'],
    [90_001, '1 min 30.001 s'],
    [86_400_000, '1 d'],
    [89_900_000, '1 d 58 min 20 s'],
    [176_399_000, '2 d 59 min 59 s'],
    [2_678_400_000, '31 d'],
  ])('%d ms is exactly %s', (ms, text) => {
    expect(formatExactDuration(ms)).toBe(text)
  })

  it('of time have the fraction of their second, if they have one', () => {
    expect(formatExactTime('2026-01-31T14:03:00.000Z')).toMatch(/:03:00$/)
    expect(formatExactTime('2026-01-31T14:03:00.050Z')).toMatch(/:03:00\.050$/)
  })

  it('have separators, and rates at most three digits', () => {
    expect(formatCount(1_000_000)).toBe('1,000,000')
    expect([0, 0.256, 12.34, 184.1].map(formatRate)).toEqual(['0', '0.26', '12.3', '184'])
  })

  it('of time survive an input, to the minute', () => {
    const time = '2026-01-31T14:03:00.000Z'
    expect(fromLocalInput(toLocalInput(time))).toBe(time)
    expect(formatTime(time)).toMatch(/^2026-0[12]-\d\d \d\d:03:00$/)
    expect([toLocalInput(undefined), fromLocalInput('')]).toEqual(['', undefined])
  })
})

describe('a limit in words', () => {
  it.each([
    [{ name: 'a', capacity: 1000, refillTokens: 10, refillIntervalMs: 1000 }, '1,000 tokens, 10 more every 1 s'],
    [
      { name: 'a', capacity: 5, refillTokens: 1, refillIntervalMs: 89_900_000 },
      '5 tokens, 1 more every 1 d 58 min 20 s',
    ],
    [{ name: 'a', kind: 'quota', capacity: 5, period: 'hour' }, '5 per hour'],
    [
      { name: 'a', kind: 'quota', capacity: 5, period: 'month', timeZone: 'UTC', anchor: '2026-01-15T09:00' },
      '5 per month (UTC, counted from 2026-01-15T09:00)',
    ],
    [{ name: 'a', kind: 'concurrency', capacity: 5 }, 'at most 5 reservations at once'],
  ])('%j', (limit, text) => {
    expect(limitText(limit)).toBe(text)
  })
})

describe('why a policy is in force', () => {
  it.each([
    ['default', 'user:42', /built-in/],
    ['user:42', 'user:42', /under this very key/],
    ['user:*', 'user:42', /longest stored prefix/],
    ['*', 'user:42', /catch-all/],
    ['big*', 'big*', /longest stored prefix/],
    ['*', '*', /catch-all/],
    ['rls;edge;remote_address', 'rls;edge;remote_address=1.2.3.4', /matches this descriptor/],
    ['rls;edge;path=/v1/*', 'rls;edge;path=/v1/a', /matches this descriptor/],
    ['rls;edge;path=/v1', 'rls;edge;path=/v1', /matches this descriptor/],
  ])('%s for %s', (policy, key, text) => {
    expect(reasonText(policy, key)).toMatch(text)
  })
})

it('the part of a stored policy that an operator writes leaves out what the service adds', () => {
  const policy = { limits: [{ name: 'a', kind: 'concurrency', capacity: 5 }], mode: 'enforce' }
  const stored = { ...policy, key: 'k', version: 3, updatedAt: '2026-01-31T14:03:00Z', updatedBy: 'ann' }
  expect(definitionOf(stored)).toEqual(policy)
})
