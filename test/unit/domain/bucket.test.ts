import { describe, expect, it } from '@jest/globals'
import { checkBucket } from '../../../src/domain/bucket.ts'
import { decideByBucket } from '../../../src/domain/decision.ts'
import type { Limit } from '../../../src/domain/limits/limit.ts'
import { compilePolicy } from '../../../src/domain/policy.ts'
import type { Bucket } from '../../../src/domain/stored-bucket.ts'
import { limitOf } from '../../support/policies.ts'

const DAY = 86_400_000

/** One key’s bucket, its policy and its clock. */
class Key {
  nowMs = 1_760_000_000_000
  #limits: readonly Limit[]
  #bucket: Bucket | undefined

  constructor(...limits: readonly Limit[]) {
    this.#limits = limits
  }

  after(ms: number): this {
    this.nowMs += ms
    return this
  }

  under(...limits: readonly Limit[]): this {
    this.#limits = limits
    return this
  }

  check(tokens: number) {
    const policy = compilePolicy('x', 1, { limits: this.#limits, mode: 'enforce' })
    const { reading, bucket } = checkBucket(this.#bucket, policy.limits, tokens, this.nowMs)
    this.#bucket = bucket
    return decideByBucket({ key: 'x', policy, tokens }, reading, 'redis')
  }

  get remaining(): (number | undefined)[] {
    return this.check(0).states.map(({ remaining }) => remaining)
  }
}

describe('a token bucket', () => {
  it('starts full and is empty after as many tokens', () => {
    const key = new Key(limitOf({ capacity: 3 }))
    expect([1, 1, 1, 1].map(tokens => key.check(tokens).allowed)).toEqual([true, true, true, false])
  })

  it('refills continuously, keeping fractions of a token', () => {
    const key = new Key(limitOf({ capacity: 2, refillTokens: 3, refillIntervalMs: 1_000 }))
    key.check(2)
    expect(key.after(333).check(1)).toMatchObject({ allowed: false, retryAfterMs: 1 })
    expect(key.after(1).check(1)).toMatchObject({ allowed: true, resetAfterMs: 666 })
    expect(key.check(1).retryAfterMs).toBe(333)
  })

  it('never holds more than its capacity', () => {
    const key = new Key(limitOf({ capacity: 3 }))
    key.check(2)
    expect(key.after(40 * 365 * DAY).remaining).toEqual([3])
  })

  it('reports its values after spending, with tokens rounded down and times rounded up', () => {
    const key = new Key(limitOf({ capacity: 10, refillTokens: 3, refillIntervalMs: 1_000 }))
    key.check(10)
    expect(key.after(500).check(1)).toMatchObject({ remaining: 0, retryAfterMs: 0, resetAfterMs: 3_167 })
    expect(key.check(1)).toMatchObject({ remaining: 0, retryAfterMs: 167 })
  })

  it('is read by a check of 0 tokens, also when it is empty', () => {
    const key = new Key(limitOf({ capacity: 1 }))
    key.check(1)
    expect(key.check(0)).toMatchObject({ allowed: true, remaining: 0, resetAfterMs: 1_000 })
  })

  it('never passes a check of more than its capacity', () => {
    expect(new Key(limitOf({ capacity: 1 })).check(2)).toMatchObject({
      allowed: false,
      retryAfterMs: null,
      remaining: 1,
    })
  })
})

describe('several limits', () => {
  const burst = limitOf({ name: 'burst', capacity: 2, refillIntervalMs: 10 })
  const daily = limitOf({ name: 'daily', capacity: 3, refillIntervalMs: DAY })

  it('must all allow, else nothing is spent from any', () => {
    const key = new Key(burst, daily)
    key.check(2)
    expect(key.check(1).allowed).toBe(false)
    expect(key.remaining).toEqual([0, 1])
    expect(key.after(20).check(2).allowed).toBe(false)
    expect(key.remaining).toEqual([2, 1])
  })

  it('are matched by name when their order changes', () => {
    const key = new Key(burst, daily)
    key.check(2)
    expect(key.under(daily, burst).remaining).toEqual([1, 0])
  })

  it('are full when they are added', () => {
    const key = new Key(daily)
    key.check(2)
    expect(key.under(burst, daily).remaining).toEqual([2, 1])
  })
})

describe('a limit that the deciding policy does not have', () => {
  const burst = limitOf({ name: 'burst', capacity: 100, refillIntervalMs: 10 })
  const daily = limitOf({ name: 'daily', capacity: 3, refillIntervalMs: DAY })

  it('keeps what was spent from it', () => {
    const key = new Key(burst, daily)
    key.check(3)
    for (let i = 0; i < 3; i++) {
      expect(key.under(burst).check(1).allowed).toBe(true)
      expect(key.under(burst, daily).check(1)).toMatchObject({ allowed: false, binding: { name: 'daily' } })
    }
  })

  it('lets two policies that take turns admit no more than each limit has', () => {
    const [a, b] = ['a', 'b'].map(name => limitOf({ name, refillIntervalMs: DAY }))
    const key = new Key()
    const turns = Array.from({ length: 110 }, (_, i) => key.under((i % 2 === 0 ? a : b) ?? burst).check(1).allowed)
    expect(turns.filter(Boolean)).toHaveLength(20)
  })

  it('refills by the time since it was last spent from, at its new rate', () => {
    const key = new Key(daily)
    key.check(3)
    key.after(DAY).under(burst).check(1)
    expect(key.after(DAY / 2).under(daily).remaining).toEqual([1])
    expect(key.under(limitOf({ ...daily, refillTokens: 4 })).remaining).toEqual([3])
  })

  it('is forgotten when it is full under the policy that spent from it', () => {
    const key = new Key(limitOf({ capacity: 5 }))
    key.check(5)
    key.under(daily).check(1)
    expect(key.after(4_999).under(limitOf({ capacity: 5, refillIntervalMs: DAY })).remaining).toEqual([0])
    expect(key.after(1).remaining).toEqual([5])
  })

  it('is kept when the limits of the policy in force are full and forgotten', () => {
    const key = new Key(daily)
    key.check(3)
    key.under(limitOf({ capacity: 5 })).check(5)
    expect(key.after(5_000).under(limitOf({ capacity: 5, refillIntervalMs: DAY }), daily).remaining).toEqual([5, 0])
  })

  it('is kept if it is one of the eight slowest', () => {
    const limits = Array.from({ length: 10 }, (_, i) =>
      limitOf({ name: `limit-${i}`, capacity: 1, refillIntervalMs: DAY + i }),
    )
    const key = new Key()
    for (const limit of limits.toReversed()) key.under(limit).check(1)
    // Eight are kept in addition to the one that was spent from last.
    expect(limits.map(limit => key.under(limit).remaining)).toEqual([[0], [1], ...Array(8).fill([0])])
  })

  describe('beside many fast ones', () => {
    const fast = (prefix: string, count: number) =>
      Array.from({ length: count }, (_, i) => limitOf({ name: `${prefix}${i}`, capacity: 1_000, refillIntervalMs: 1 }))
    const slow = (name: string) => limitOf({ name, capacity: 10, refillIntervalMs: 100 * DAY })

    it('does not give way to those of a policy with a slower one', () => {
      const key = new Key(daily)
      key.check(3)
      for (let round = 0; round < 3; round++) {
        key.under(slow('yearly'), ...fast('q', 7)).check(1)
        key.under(...fast('r', 1)).check(1)
        expect(key.under(daily).check(1).allowed).toBe(false)
      }
    })

    it.each(['a', 'm', 'x', 'yearly'])('is kept if they are of its own policy, whatever its name (%s)', name => {
      const key = new Key(slow(name), ...fast('p', 7))
      key.check(10)
      key.under(slow('other'), ...fast('q', 3)).check(1)
      key.under(...fast('r', 1)).check(1)
      expect(key.under(slow(name)).remaining).toEqual([0])
    })

    it('does not give way to those of policies that share a slower limit', () => {
      const shared = slow('monthly')
      const key = new Key(daily, shared)
      key.check(3)
      for (const prefix of 'bcdefghijkl') key.under(shared, ...fast(prefix, 1)).check(0)
      for (const prefix of 'bcdefg') key.under(shared, ...fast(prefix, 1)).check(1)
      expect(key.under(daily, shared).check(1)).toMatchObject({ allowed: false, binding: { name: 'daily' } })
    })
  })

  it('follows a clock that goes back by more than 10 s', () => {
    const key = new Key(daily)
    key.check(3)
    key.under(burst).check(1)
    key.after(-DAY).check(1)
    expect(key.under(daily).check(1)).toMatchObject({ allowed: false, retryAfterMs: DAY })
    expect(key.after(DAY).check(1).allowed).toBe(true)
  })
})

describe('a changed policy', () => {
  const slow = (capacity: number) => limitOf({ capacity, refillIntervalMs: DAY })

  it('keeps what was spent', () => {
    const key = new Key(slow(100))
    key.check(30)
    expect(key.under(slow(200)).remaining).toEqual([170])
    expect(key.under(slow(40)).remaining).toEqual([10])
    expect(key.under(slow(20)).remaining).toEqual([0])
  })

  it('forgets what was spent beyond a lower capacity only once the bucket is spent from', () => {
    const key = new Key(slow(100))
    key.check(30)
    key.under(slow(20)).check(1)
    expect(key.under(slow(100)).remaining).toEqual([70])
    key.under(slow(20)).after(DAY).check(1)
    expect(key.under(slow(100)).remaining).toEqual([80])
  })

  it('counts the time since the bucket was last spent from at the new rate', () => {
    const key = new Key(slow(100))
    key.check(30)
    expect(key.after(5_000).under(limitOf({ capacity: 100 })).remaining).toEqual([75])
  })

  it('keeps the fraction of a token while the unit stays the same', () => {
    const key = new Key(limitOf({ refillTokens: 1, refillIntervalMs: 10 }))
    key.check(2)
    key.after(5).check(1)
    expect(key.under(limitOf({ refillTokens: 3, refillIntervalMs: 10 })).check(0).resetAfterMs).toBe(9)
  })

  it('rounds what was spent up to whole tokens when the unit changes', () => {
    const key = new Key(limitOf({ refillTokens: 1, refillIntervalMs: 10 }))
    key.check(2)
    key.after(5).check(1)
    expect(key.under(limitOf({ refillTokens: 1, refillIntervalMs: 20 })).check(0)).toMatchObject({
      remaining: 7,
      resetAfterMs: 60,
    })
  })

  it('does not restore what was spent once the bucket is full under its last policy', () => {
    const key = new Key(limitOf({ capacity: 5 }))
    key.check(5)
    expect(key.after(4_999).under(slow(5)).remaining).toEqual([0])
    expect(key.after(1).remaining).toEqual([5])
  })
})

describe('a clock that goes back', () => {
  const drained = () => {
    const key = new Key(limitOf({ capacity: 5 }))
    key.check(5)
    return key
  }

  it('by up to 10 s pauses refill, and waiting times include the pause', () => {
    const key = drained().after(-10_000)
    expect(key.check(1)).toMatchObject({ allowed: false, retryAfterMs: 11_000, resetAfterMs: 15_000 })
    expect(key.after(10_999).check(1).allowed).toBe(false)
    expect(key.after(1).check(1).allowed).toBe(true)
  })

  it('by more than 10 s is believed', () => {
    const key = drained().after(-10_001)
    expect(key.check(1)).toMatchObject({ allowed: false, retryAfterMs: 1_000 })
    expect(key.after(1_000).check(1).allowed).toBe(true)
  })

  it('by more than 10 s also moves the time at which the bucket is forgotten', () => {
    const key = drained().after(-DAY)
    key.check(0)
    expect(key.after(5_000).under(limitOf({ capacity: 5, refillIntervalMs: DAY })).remaining).toEqual([5])
  })

  it('creates no tokens when two callers whose clocks are a second apart take turns', () => {
    const key = new Key(limitOf({ capacity: 5, refillTokens: 5, refillIntervalMs: 1_000 }))
    const turns = Array.from({ length: 2_002 }, (_, i) => (i % 2 === 0 ? 1_000 : -999))
    expect(turns.filter(turn => key.after(turn).check(1).allowed).length).toBeLessThanOrEqual(5 + 5 * 2)
  })
})
