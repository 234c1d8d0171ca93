import { afterEach, beforeEach, expect, it, jest } from '@jest/globals'
import { Calendar } from '../../../src/domain/limits/calendar.ts'
import { encodedLimits, prepareLimits } from '../../../src/redis/buckets/encoded-limits.ts'
import { limitOf, policyOf, quotaOf } from '../../support/policies.ts'

let now: string
beforeEach(() => {
  jest.spyOn(Date, 'now').mockImplementation(() => Date.parse(now))
})
afterEach(() => {
  jest.restoreAllMocks()
})

const policy = policyOf('x', { limits: [limitOf(), quotaOf()] })
const { limits } = policy
const [, { id = 0 } = {}] = limits
const boundaries = (...times: string[]) => times.map(time => Date.parse(`${time}Z`)).join()

/** The present period comes first; its neighbours, and one more, follow. */
const JANUARY =
  boundaries('2026-01-31T08:00', '2026-02-28T08:00') +
  `,${boundaries('2025-12-31T08:00', '2026-01-31T08:00', '2026-02-28T08:00', '2026-03-31T07:00', '2026-04-30T07:00')}`
const FEBRUARY =
  boundaries('2026-02-28T08:00', '2026-03-31T07:00') +
  `,${boundaries('2026-01-31T08:00', '2026-02-28T08:00', '2026-03-31T07:00', '2026-04-30T07:00', '2026-05-31T07:00')}`

it('a token bucket is encoded by its numbers, and a quota by the boundaries of its present and its neighbouring periods', () => {
  now = '2026-02-28T07:59:59.999Z'
  expect(encodedLimits(policy)).toBe(`[[${limits[0]?.id},1000,1,10000,10],[${id},1,0,10,10,"q${JANUARY}"]]`)
})

it('the boundaries follow the clock into the next period, and back', () => {
  now = '2026-02-28T08:00Z'
  expect(encodedLimits(policy)).toContain(`q${FEBRUARY}`)
  now = '2026-02-28T07:59:59.999Z'
  expect(encodedLimits(policy)).toContain(`q${JANUARY}`)
})

it('with two calendars, each is known throughout', () => {
  const both = policyOf('x', {
    limits: [quotaOf(), quotaOf({ name: 'daily', period: 'day', anchor: '2026-01-01T00:00' })],
  })
  now = '2026-02-28T08:00Z'
  expect(encodedLimits(both)).toContain(`q${FEBRUARY}`)
  now = '2026-03-01T00:00Z'
  const midnights = ['02-26', '02-27', '02-28', '03-01', '03-02', '03-03'].map(day => `2026-${day}T23:00`)
  expect(encodedLimits(both)).toContain(`,${boundaries(...midnights)}`)
})

it('a shadow limit of either kind is marked', () => {
  const { timeZone: _, anchor: __, ...quota } = quotaOf({ period: 'hour', shadow: true })
  const policy = policyOf('x', { limits: [limitOf(), limitOf({ name: 'b', shadow: true }), quota] })
  expect(encodedLimits(policy)).toMatch(
    /,1000,1,10000,10\],\[\d+,1000,1,10000,10,"s"\],\[\d+,1,0,10,10,"sq3600000"\]\]$/,
  )
})

it('a concurrency limit is marked', () => {
  const policy = policyOf('x', { limits: [{ kind: 'concurrency', name: 'jobs', capacity: 5 }] })
  expect(encodedLimits(policy)).toMatch(/^\[\[\d+,1,0,5,5,"c"\]\]$/)
})

it('minutes and hours have a length only', () => {
  const { timeZone: _, anchor: __, ...quota } = quotaOf({ period: 'hour' })
  expect(encodedLimits(policyOf('x', { limits: [quota] }))).toMatch(/,1,0,10,10,"q3600000"\]\]$/)
})

it('what is prepared is not computed again in the same period', () => {
  now = '2026-02-28T08:00Z'
  const prepared = policyOf('x', { limits: [limitOf(), quotaOf()] })
  prepareLimits(prepared)
  const computed = jest.spyOn(Calendar.prototype, 'boundariesAround')
  expect(encodedLimits(prepared)).toContain(`q${FEBRUARY}`)
  expect(computed).not.toHaveBeenCalled()
  now = '2026-03-31T07:00Z'
  encodedLimits(prepared)
  expect(computed).toHaveBeenCalledTimes(1)
})

it('nothing is kept of limits that came with a call, unless they follow the calendar', () => {
  now = '2026-02-28T08:00Z'
  const ofCall = policyOf('request', { limits: [limitOf()] }, 0)
  const stored = policyOf('x', { limits: [limitOf()] })
  const kept = jest.spyOn(WeakMap.prototype, 'set')
  const text = encodedLimits(ofCall)
  expect(kept).not.toHaveBeenCalled()
  expect(text).toBe(encodedLimits(stored))
  encodedLimits(policyOf('request', { limits: [quotaOf()] }, 0))
  expect(kept).toHaveBeenCalledTimes(2)
})
