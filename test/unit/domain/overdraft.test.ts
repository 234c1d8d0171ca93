import { describe, expect, it } from '@jest/globals'
import { compileLimits, type Limit } from '../../../src/domain/limits/limit.ts'
import { chargesDenials, operationOf } from '../../../src/domain/overdraft.ts'
import type { Bucket } from '../../../src/domain/stored-bucket.ts'
import { limitOf, quotaOf } from '../../support/policies.ts'

const START_MS = Date.parse('2026-02-10T12:00Z')
const BURST = limitOf({ name: 'burst', capacity: 10, refillTokens: 1, refillIntervalMs: 1 })
const DAILY = quotaOf({ name: 'daily', capacity: 10, period: 'day' })

/** A bucket with overdraft. Units are tokens. */
function bucketOf(...definitions: Limit[]) {
  const limits = compileLimits(definitions)
  let bucket: Bucket | undefined
  return (tokens: number, atMs = START_MS) => {
    const { reading, ...after } = operationOf({ overdraft: true }, tokens)(bucket, limits, tokens, atMs)
    bucket = after.bucket
    return {
      allowed: reading.allowed,
      spent: reading.spent,
      violated: reading.violated,
      charged: reading.charged,
      isStored: bucket !== undefined,
    }
  }
}

describe('a check of a policy with overdraft', () => {
  it('spends what is left like any other', () => {
    const check = bucketOf(BURST)
    expect(check(10)).toMatchObject({ allowed: true, spent: [10], violated: undefined })
  })

  it('is denied and charged if it asks for more, and the debt refills first', () => {
    const check = bucketOf(BURST)
    check(8)
    expect(check(5)).toMatchObject({ allowed: false, spent: [13], violated: [true] })
    expect(check(0, START_MS + 2)).toMatchObject({ allowed: false, spent: [11] })
    expect(check(0, START_MS + 3)).toMatchObject({ allowed: true, spent: [10] })
  })

  it('puts a limit into debt of at most one capacity', () => {
    expect(bucketOf(BURST)(1_000)).toMatchObject({ allowed: false, spent: [20] })
    const daily = bucketOf(DAILY)
    expect([daily(15).spent, daily(15).spent]).toEqual([[15], [20]])
  })

  it('says how many tokens a denied check was charged: the fewest over the enforced limits', () => {
    const check = bucketOf(BURST, limitOf({ name: 'wide', capacity: 100 }), { ...DAILY, capacity: 1, shadow: true })
    expect([check(8), check(5), check(1_000), check(1_000)].map(({ charged }) => charged)).toEqual([undefined, 5, 7, 0])
  })

  it('is charged to every limit if one denies it', () => {
    const check = bucketOf(BURST, limitOf({ name: 'wide', capacity: 100 }), { ...DAILY, shadow: true })
    expect(check(11)).toMatchObject({ allowed: false, violated: [true, false, true] })
    expect(check(0)).toMatchObject({ allowed: false })
  })

  it('is charged to a shadow limit that would have denied it', () => {
    const check = bucketOf(BURST, { ...DAILY, capacity: 2, shadow: true })
    expect(check(3)).toMatchObject({ allowed: true, spent: [3, 3], violated: [false, true] })
  })

  it('of 0 tokens charges nothing', () => {
    expect([chargesDenials({ overdraft: true }, 0), chargesDenials({ overdraft: true }, 1)]).toEqual([false, true])
    expect(chargesDenials({}, 1)).toBe(false)
  })
})

describe('tokens that are given back', () => {
  it('are at most as many as are spent, and a bucket of which nothing is spent is forgotten', () => {
    const check = bucketOf(BURST)
    check(8)
    expect(check(-3)).toMatchObject({ allowed: true, spent: [5], isStored: true })
    expect(check(-30)).toMatchObject({ allowed: true, spent: [0], isStored: false })
    expect(check(-1)).toMatchObject({ allowed: true, spent: [0], isStored: false })
  })

  it('repay debt, and are allowed even if debt is left', () => {
    const check = bucketOf(BURST)
    check(15)
    expect(check(-2)).toMatchObject({ allowed: true, spent: [13], violated: undefined })
    expect(check(0)).toMatchObject({ allowed: false })
    check(-3)
    expect(check(0)).toMatchObject({ allowed: true, spent: [10] })
  })

  it('count for a quota only if they were spent in the same period', () => {
    const check = bucketOf(DAILY)
    check(8)
    const tomorrow = START_MS + 86_400_000
    expect(check(-3, tomorrow)).toMatchObject({ allowed: true, spent: [0] })
    check(2, tomorrow)
    expect(check(-3, tomorrow)).toMatchObject({ spent: [0] })
  })
})
