import { beforeEach, describe, expect, it } from '@jest/globals'
import { DenialCache } from '../../../src/check/denial-cache.ts'
import { limitOf, policyOf } from '../../support/policies.ts'

const policy = policyOf('user:*', { limits: [limitOf({ capacity: 10, refillTokens: 1, refillIntervalMs: 1_000 })] })
const asked = { key: 'user:1', policy, tokens: 1 }
/** Ten tokens of 1,000 units each, all spent. */
const EMPTY = { allowed: false, spent: [10_000], refillPausedMs: 0 }

let now: number
let cache: DenialCache
beforeEach(() => {
  now = 5_000
  cache = new DenialCache(() => now)
})

describe('a denial', () => {
  it('is recalled for the same check only', () => {
    cache.remember(asked, EMPTY, 1_000, 5_000)
    expect(cache.recall(asked)).toEqual(EMPTY)
    expect(cache.recall({ ...asked, key: 'user:2' })).toBeUndefined()
    expect(cache.recall({ ...asked, tokens: 2 })).toBeUndefined()
    expect(cache.recall({ ...asked, policy: policyOf('user:*', {}, 2) })).toBeUndefined()
  })

  it('expires a millisecond before the check would be allowed, counted from before the store was asked', () => {
    now = 5_080
    cache.remember(asked, EMPTY, 300, 5_000)
    now = 5_298
    expect(cache.recall(asked)).toBeDefined()
    now = 5_299
    expect(cache.recall(asked)).toBeUndefined()
  })

  it('expires after a second, even if the store would deny for longer', () => {
    cache.remember(asked, EMPTY, 60_000, 5_000)
    now = 5_999
    expect(cache.recall(asked)).toBeDefined()
    now = 6_000
    expect(cache.recall(asked)).toBeUndefined()
  })

  it.each([
    [60_000, 100],
    [30, 29],
  ])('of a key with a reservation that expires in %i ms expires after %i ms', (nextExpiryMs, ttlMs) => {
    const held = { tokens: 4, count: 1, nextExpiryMs, lastExpiryMs: nextExpiryMs }
    cache.remember(asked, { ...EMPTY, held }, 60_000, 5_000)
    now = 5_000 + ttlMs - 1
    expect(cache.recall(asked)?.held).toEqual({
      ...held,
      nextExpiryMs: nextExpiryMs - ttlMs + 1,
      lastExpiryMs: nextExpiryMs - ttlMs + 1,
    })
    now = 5_000 + ttlMs
    expect(cache.recall(asked)).toBeUndefined()
  })

  it('refills from when the reply was received', () => {
    now = 5_080
    cache.remember(asked, EMPTY, 1_000, 5_000)
    now = 5_480.9
    expect(cache.recall(asked)).toEqual({ allowed: false, spent: [9_600], refillPausedMs: 0 })
  })

  it('does not refill while refill is paused', () => {
    cache.remember(asked, { ...EMPTY, refillPausedMs: 300 }, 1_300, 5_000)
    now = 5_200
    expect(cache.recall(asked)).toEqual({ ...EMPTY, refillPausedMs: 100 })
    now = 5_500
    expect(cache.recall(asked)).toEqual({ allowed: false, spent: [9_800], refillPausedMs: 0 })
  })

  it('can be forgotten at once', () => {
    cache.remember(asked, EMPTY, 1_000, 5_000)
    cache.forget('user:1')
    expect(cache.recall(asked)).toBeUndefined()
  })

  it('is evicted by newer ones beyond 10,000 keys', () => {
    const questions = Array.from({ length: 100_000 }, (_, i) => ({ ...asked, key: `user:${i}` }))
    for (const question of questions) cache.remember(question, EMPTY, 1_000, 5_000)
    const known = questions.filter(question => cache.recall(question) !== undefined)
    expect(known).toEqual(questions.slice(-known.length))
    expect(known.length).toBeGreaterThanOrEqual(9_900)
    expect(known.length).toBeLessThanOrEqual(10_000)
  })

  it('counts as new when the same check is denied again', () => {
    cache.remember(asked, EMPTY, 1_000, 5_000)
    for (let i = 1; i < 10_000; i++) cache.remember({ ...asked, key: `other:${i}` }, EMPTY, 1_000, 5_000)
    cache.remember(asked, EMPTY, 1_000, 5_000)
    cache.remember({ ...asked, key: 'one more' }, EMPTY, 1_000, 5_000)
    expect(cache.recall(asked)).toBeDefined()
    expect(cache.recall({ ...asked, key: 'other:1' })).toBeUndefined()
  })
})

describe('a remembered denial', () => {
  it('is found once by the same check after it has expired', () => {
    expect(cache.remove(asked)).toBe(false)
    cache.remember(asked, EMPTY, 100, 5_000)
    now = 5_100
    expect(cache.remove({ ...asked, tokens: 2 })).toBe(false)
    expect([cache.remove(asked), cache.remove(asked)]).toEqual([true, false])
  })

  it('stays when the same check spends, and is removed when another check of the key does', () => {
    cache.remember(asked, EMPTY, 100, 5_000)
    cache.forgetOtherThan(asked)
    expect(cache.recall(asked)).toEqual(EMPTY)
    cache.forgetOtherThan({ ...asked, tokens: 2 })
    expect(cache.recall(asked)).toBeUndefined()
  })
})
