import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { ceilDiv, floorDiv, greatestCommonDivisor, isSmallerRatio } from '../../../src/domain/exact.ts'

const dividend = fc.maxSafeNat()
const divisor = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }))

describe('exact arithmetic', () => {
  it('divides integers up to 2^53 − 1 without rounding', () => {
    fc.assert(
      fc.property(dividend, divisor, (a, b) => {
        const whole = BigInt(a) / BigInt(b)
        expect(BigInt(floorDiv(a, b))).toBe(whole)
        expect(BigInt(ceilDiv(a, b))).toBe(whole * BigInt(b) === BigInt(a) ? whole : whole + 1n)
      }),
    )
  })

  it('compares ratios that are the same double', () => {
    expect(999_999_998 / 999_999_999).toBe(999_999_999 / 1_000_000_000)
    expect(isSmallerRatio(999_999_998, 999_999_999, 999_999_999, 1_000_000_000)).toBe(true)
    expect(isSmallerRatio(999_999_999, 1_000_000_000, 999_999_998, 999_999_999)).toBe(false)
    expect(isSmallerRatio(1, 2, 2, 4)).toBe(false)
  })

  it.each([
    [12, 18, 6],
    [1, 2_678_400_000, 1],
    [1_000_000_000, 1_000, 1_000],
    [7, 7, 7],
  ])('finds the greatest common divisor of %d and %d', (a, b, expected) => {
    expect(greatestCommonDivisor(a, b)).toBe(expected)
    expect(greatestCommonDivisor(b, a)).toBe(expected)
  })
})
