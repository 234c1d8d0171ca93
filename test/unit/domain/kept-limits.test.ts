import { describe, expect, it } from '@jest/globals'
import { checkBucket, openBucket, readBucket } from '../../../src/domain/bucket.ts'
import { settleHold, withHold } from '../../../src/domain/held-bucket.ts'
import { compileLimits, type Limit } from '../../../src/domain/limits/limit.ts'
import type { Bucket } from '../../../src/domain/stored-bucket.ts'

const MINUTE = 60_000
/** Three seconds before a minute ends. */
const START_MS = 30_000_000 * MINUTE - 3_000

const slow = (name: string): Limit => ({ name, capacity: 100, refillTokens: 1, refillIntervalMs: 86_400_000 })
const fast = (prefix: string, count: number): Limit[] =>
  Array.from({ length: count }, (_, i) => ({
    name: `${prefix}${i}`,
    capacity: 1_000,
    refillTokens: 1_000,
    refillIntervalMs: 1_000,
  }))

/** The bucket of a key, from which policies take turns to spend. */
class Turns {
  #bucket: Bucket | undefined
  #nowMs = START_MS

  check(tokens: number, ...limits: Limit[]): boolean {
    const { reading, bucket } = checkBucket(this.#bucket, compileLimits(limits), tokens, ++this.#nowMs)
    if (reading.allowed) this.#bucket = bucket
    return reading.allowed
  }

  reserve(tokens: number, ...limits: Limit[]): void {
    const { bucket } = openBucket(this.#bucket, ++this.#nowMs)
    const found = readBucket(bucket, compileLimits(limits), { tokens, reserves: true }, this.#nowMs)
    const hold = { id: 'hold', tokens, expiresAtMs: this.#nowMs + 5_000, onExpiry: 'charge' } as const
    this.#bucket = withHold(found, hold)
  }

  settle(tokens: number, ...limits: Limit[]): void {
    const { bucket } = openBucket(this.#bucket, ++this.#nowMs)
    this.#bucket = settleHold(bucket as Bucket, 'hold', tokens, compileLimits(limits), this.#nowMs).bucket
  }

  after(ms: number): void {
    this.#nowMs += ms
  }
}

describe('a slow limit that the deciding policy does not have is kept', () => {
  it('after a reservation by a policy that nothing is spent from', () => {
    const key = new Turns()
    key.check(100, slow('yearly'), ...fast('p', 7))
    key.check(90, slow('daily'), ...fast('q', 1))
    key.reserve(1, { name: 'slots', kind: 'concurrency', capacity: 10 })
    key.settle(1)
    key.check(1, ...fast('r', 1))
    expect(key.check(11, slow('daily'), ...fast('q', 1))).toBe(false)
  })

  it('if it is a quota that an expiry has charged in a later period', () => {
    const quota: Limit = { name: 'quota', kind: 'quota', capacity: 100, period: 'minute' }
    const key = new Turns()
    key.check(1, slow('yearly'), ...fast('p', 7))
    key.reserve(100, quota, ...fast('q', 1))
    key.after(6_000)
    key.check(1, ...fast('r', 1))
    expect(key.check(1, quota, ...fast('q', 1))).toBe(false)
  })

  it('if a reservation holds all of it, and nothing is spent yet', () => {
    const key = new Turns()
    key.reserve(100, slow('daily'))
    key.check(1, ...fast('q', 8))
    key.check(1, ...fast('r', 1))
    key.settle(100, ...fast('r', 1))
    expect(key.check(1, slow('daily'))).toBe(false)
  })
})
