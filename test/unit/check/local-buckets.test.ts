import { beforeEach, describe, expect, it } from '@jest/globals'
import { LocalBuckets } from '../../../src/check/local-buckets.ts'
import { decideByBucket } from '../../../src/domain/decision.ts'
import { limitOf, policyOf, quotaOf } from '../../support/policies.ts'

const policy = policyOf('*', { limits: [limitOf({ capacity: 8, refillTokens: 1, refillIntervalMs: 1_000 })] })
const MOST_KEYS = 80_000

let now: number
let clock: { elapsedMs: number; isRunning: boolean; refillPausedMs: number }
let processes: number
let calendarNow: number
let buckets: LocalBuckets
beforeEach(() => {
  now = 5_000
  clock = { elapsedMs: 0, isRunning: false, refillPausedMs: 0 }
  processes = 1
  calendarNow = Date.parse('2026-02-10T00:00Z')
  buckets = new LocalBuckets({
    now: () => now,
    outageOf: () => clock,
    calendarNow: () => calendarNow,
    processes: () => processes,
  })
})

/** Simulates an outage of this length. */
function outage(ms: number): void {
  now += ms
  clock.elapsedMs += ms
}

const allows = (key: string, tokens: number) => buckets.check({ key, policy, tokens }).reading.allowed

describe('the buckets of a process that cannot ask the store', () => {
  it('refill while the store is unavailable', () => {
    allows('a', 8)
    outage(999)
    expect(allows('a', 1)).toBe(false)
    outage(1)
    expect([allows('a', 1), allows('a', 1)]).toEqual([true, false])
  })

  it('ignore shadow limits', () => {
    const limits = [limitOf({ name: 'stricter', capacity: 2, shadow: true }), limitOf({ name: 'burst', capacity: 8 })]
    const shadowed = policyOf('*', { limits })
    const { reading, counted } = buckets.check({ key: 'a', policy: shadowed, tokens: 8 })
    expect(counted).toMatchObject([{ name: 'burst', capacity: 8 }])
    expect(reading).toEqual({ allowed: true, spent: [8_000], refillPausedMs: 0 })
    const preview = buckets.preview({ key: 'a', policy: shadowed, tokens: 1 })
    expect(preview.reading).toEqual({ allowed: false, spent: [8_000], refillPausedMs: 0 })
    outage(8_000)
    buckets.foundFull({ key: 'a', policy: shadowed })
    expect(buckets.size).toBe(0)
  })

  it('charge a denied check of a policy with overdraft, into debt of at most one capacity of the limit', () => {
    processes = 4
    const overdrawn = policyOf('*', { ...policy.definition, overdraft: true })
    const check = (tokens: number) => buckets.check({ key: 'a', policy: overdrawn, tokens })
    expect(check(2).reading).toMatchObject({ allowed: true, spent: [2_000] })
    expect(check(3).reading).toMatchObject({ allowed: false, spent: [5_000] })
    expect(check(100).reading).toMatchObject({ allowed: false, spent: [10_000] })
    expect(buckets.checkInGroup({ key: 'b', policy: overdrawn, tokens: 9 }).reading).toMatchObject({ spent: [0] })
    expect(check(-4).reading).toMatchObject({ allowed: true, spent: [6_000] })
  })

  it('do not count reservations', () => {
    const jobs = { kind: 'concurrency', name: 'jobs', capacity: 1 } as const
    const both = policyOf('*', { limits: [jobs, limitOf({ name: 'burst', capacity: 8 })] })
    const reserve = () => buckets.check({ key: 'a', policy: both, tokens: 3, reserves: true }).reading
    expect([reserve(), reserve(), reserve()]).toMatchObject([
      { allowed: true, spent: [0, 3_000] },
      { allowed: true, spent: [0, 6_000] },
      { allowed: false, spent: [0, 6_000] },
    ])
    const alone = policyOf('*', { limits: [jobs] })
    const check = { key: 'b', policy: alone, tokens: 9 }
    const { reading, counted } = buckets.check(check)
    expect(decideByBucket(check, reading, 'local', counted)).toMatchObject({
      allowed: true,
      remaining: 1,
      resetAfterMs: 0,
    })
    expect(buckets.size).toBe(1)
  })

  it('report how long refill is still paused when an outage has just begun', () => {
    clock.refillPausedMs = 400.5
    allows('a', 8)
    expect(buckets.check({ key: 'a', policy, tokens: 1 }).reading).toEqual({
      allowed: false,
      spent: [8_000],
      refillPausedMs: 401,
    })
  })

  it('do not refill while the store answers, since its own buckets do', () => {
    allows('a', 8)
    now += 3_600_000
    expect(allows('a', 1)).toBe(false)
  })

  it('are full again after enough time in outages', () => {
    processes = 2
    expect([allows('a', 4), allows('a', 1)]).toEqual([true, false])
    for (let i = 0; i < 8; i++) {
      outage(1_000)
      now += 60_000
    }
    expect(allows('a', 4)).toBe(true)
  })

  it('grant one share, however often the store flaps', () => {
    let admitted = 0
    for (let flap = 0; flap < 100; flap++) {
      for (let i = 0; i < 5; i++) if (allows('a', 1)) admitted++
      outage(1)
      now += 50
    }
    expect(admitted).toBe(8)
  })

  it('refill only while the part of the store that holds the bucket is unavailable', () => {
    const other = { elapsedMs: 0, isRunning: false, refillPausedMs: 0 }
    const parted = new LocalBuckets({
      now: () => now,
      outageOf: key => (key === 'a' ? clock : other),
      calendarNow: Date.now,
      processes: () => 1,
    })
    const allows = (key: string) => parted.check({ key, policy, tokens: 8 }).reading.allowed
    expect([allows('a'), allows('b')]).toEqual([true, true])
    outage(8_000)
    expect([allows('a'), allows('b')]).toEqual([true, false])
  })

  it('neither gain nor lose tokens when another part of the store takes over, and refill by its outages from then on', () => {
    outage(60_000)
    allows('a', 8)
    outage(3_000)
    expect(allows('a', 2)).toBe(true)
    clock = { elapsedMs: 500, isRunning: false, refillPausedMs: 0 }
    expect([allows('a', 1), allows('a', 1)]).toEqual([true, false])
    outage(1_000)
    expect([allows('a', 1), allows('a', 1)]).toEqual([true, false])
  })

  it('do not refill by the outage of a part of the store that holds them no longer', () => {
    allows('a', 8)
    const former = clock
    clock = { elapsedMs: 0, isRunning: false, refillPausedMs: 0 }
    former.elapsedMs += 60_000
    expect(allows('a', 1)).toBe(false)
    outage(1_000)
    expect([allows('a', 1), allows('a', 1)]).toEqual([true, false])
  })

  it('do not refill by an outage in which the store has answered them', () => {
    allows('a', 8)
    clock.isRunning = true
    outage(1_000)
    expect(allows('a', 1)).toBe(true)
    outage(60_000)
    buckets.answered('a')
    expect(allows('a', 1)).toBe(false)
    outage(1_000)
    expect([allows('a', 1), allows('a', 1)]).toEqual([true, false])
  })

  it('have refilled in an outage that is over when the store answers again', () => {
    allows('a', 8)
    outage(3_000)
    buckets.answered('a')
    expect([allows('a', 3), allows('a', 1)]).toEqual([true, false])
  })

  it('are dropped by a sweep once they are full and unused', () => {
    allows('a', 8)
    allows('b', 1)
    now += 599_000
    expect(allows('a', 1)).toBe(false)
    now += 1_000
    buckets.sweep()
    expect([buckets.size, allows('a', 1)]).toEqual([1, false])
  })

  it('are full again after a reset', () => {
    allows('a', 8)
    buckets.forget('a')
    expect(allows('a', 8)).toBe(true)
  })

  it('grant little more than what refills, although the store is found full between its outages', () => {
    let admitted = 0
    const cycles = 20
    for (let i = 0; i < cycles; i++) {
      while (allows('a', 1)) admitted++
      outage(0)
      now += 1_600
      buckets.foundFull({ key: 'a', policy })
    }
    expect(admitted).toBeLessThanOrEqual(8 + (cycles * 1_600) / 1_000)
  })

  it('refill after the store has found the key full only once they have had the time', () => {
    allows('a', 8)
    now += 7_999
    buckets.foundFull({ key: 'a', policy })
    expect(allows('a', 1)).toBe(false)
    now += 1
    buckets.foundFull({ key: 'a', policy })
    expect(allows('a', 8)).toBe(true)
  })

  it('of a key under several policies are each spent once, and are full only if the store has found their own limits full', () => {
    const other = policyOf('plan:gold', { limits: [limitOf({ name: 'gold', capacity: 4 })] })
    const allowsAs = (policyOfCheck: typeof policy) =>
      buckets.check({ key: 'a', policy: policyOfCheck, tokens: 4 }).reading.allowed
    const rounds = () => [policy, other, policy, other].map(allowsAs)
    expect(rounds()).toEqual([true, true, true, false])
    now += 3_600_000
    buckets.foundFull({ key: 'a', policy: other })
    expect(rounds()).toEqual([false, true, false, false])
    now += 3_600_000
    buckets.foundFull({ key: 'a', policy })
    expect(rounds()).toEqual([true, false, true, false])
    now += 3_600_000
    buckets.foundFull({ key: 'a', policy })
    buckets.foundFull({ key: 'a', policy: other })
    expect(buckets.size).toBe(0)
  })

  it('shrink when there are more processes, and refill more slowly from then on', () => {
    expect([allows('a', 8), allows('a', 1)]).toEqual([true, false])
    outage(4_000)
    expect(allows('a', 5)).toBe(false)
    processes = 4
    // Four tokens are back of eight that were spent, and the share is two now.
    expect(allows('a', 1)).toBe(false)
    outage(8_000)
    expect(allows('a', 1)).toBe(false)
    outage(4_000)
    expect([allows('a', 1), allows('a', 1)]).toEqual([true, false])
  })

  it('are each divided by the most processes that were known since they were first spent from', () => {
    processes = 4
    expect([allows('a', 2), allows('a', 1)]).toEqual([true, false])
    processes = 1
    expect(allows('a', 1)).toBe(false)
    outage(4_000)
    expect([allows('a', 1), allows('a', 1)]).toEqual([true, false])
    expect([allows('b', 7), allows('b', 1)]).toEqual([true, true])
  })

  it(`are at most ${MOST_KEYS}: beyond that, the 800 that were used longest ago are forgotten`, () => {
    for (let i = 0; i < MOST_KEYS; i++) allows(`key ${i}`, 7)
    expect(allows('key 0', 1)).toBe(true)
    allows('one more', 1)
    expect(['key 0', 'key 801', `key ${MOST_KEYS - 1}`].map(key => allows(key, 2))).toEqual([false, false, false])
    expect(['key 1', 'key 800'].map(key => allows(key, 8))).toEqual([true, true])
  })
})

describe('a share of a quota', () => {
  const HOUR_MS = 3_600_000
  /** Ten tokens an hour in the 28 days from 31 January 9:00. */
  const monthly = policyOf('*', { limits: [quotaOf({ capacity: 10 * 24 * 28 })] })
  const check = (tokens: number) => buckets.check({ key: 'a', policy: monthly, tokens })

  it('holds at most what refills in an hour, and refills evenly over the period', () => {
    processes = 2
    expect([check(5), check(1)].map(({ reading }) => reading.allowed)).toEqual([true, false])
    outage(HOUR_MS / 5)
    expect([check(1), check(1)].map(({ reading }) => reading.allowed)).toEqual([true, false])
    outage(100 * HOUR_MS)
    expect([check(5), check(1)].map(({ reading }) => reading.allowed)).toEqual([true, false])
  })

  it('allows a single check that is larger when it is full', () => {
    expect([check(1_000), check(1)].map(({ reading }) => reading.allowed)).toEqual([true, false])
  })

  it('follows the length of the period', () => {
    const refillOf = () => check(0).counted[0]?.refill
    const february = refillOf()
    calendarNow = Date.parse('2026-03-10T00:00Z')
    expect([february, refillOf()]).toEqual(['1 more every 360000 ms', '1 more every 398036 ms'])
    expect(check(0).reading.periods).toEqual([{ endsInMs: expect.any(Number), lengthMs: 31 * 24 * HOUR_MS - HOUR_MS }])
  })
})
