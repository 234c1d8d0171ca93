import { expect } from '@jest/globals'
import { isFixed } from '../../src/domain/limits/quota.ts'
import type { ReservationHistory } from './reservation-histories.ts'

/**
 * Expects that a bucket is kept until it is full, and no longer.
 * @param kept when the store forgets it
 * @param forgotten when the oracle does
 */
export function expectKept(
  { policies }: ReservationHistory,
  kept: number | bigint | undefined,
  forgotten: bigint | undefined,
  nowMs: number,
): void {
  const [until, expected] = [kept, forgotten].map(time =>
    time !== undefined && time > nowMs ? Number(time) : undefined,
  )
  if (expected === undefined || until === undefined) {
    expect(until).toBe(expected)
    return
  }
  // Beyond 2^53, about 285,000 years ahead, doubles lose milliseconds.
  const toleranceMs = expected < 2 ** 53 ? 0 : 100
  expect(until).toBeGreaterThanOrEqual(expected - toleranceMs)
  // A quota of days or longer may be kept for a period more, see `RecordedQuota`.
  const mayBeLonger = policies.flat().some(limit => limit.kind === 'quota' && !isFixed(limit.period))
  if (!mayBeLonger) expect(until).toBeLessThanOrEqual(expected + toleranceMs)
}
