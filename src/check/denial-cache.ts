import { readingAfter } from '../domain/bucket.ts'
import type { Policy } from '../domain/policy.ts'
import type { BucketReading } from '../domain/reading.ts'
import { setBounded } from '../lib/set-bounded.ts'
import type { BucketCheck } from './ports.ts'

/** Bounds, in ms, how long a reset, an eviction or a failover of the store goes unnoticed. */
const MAX_DENIAL_TTL_MS = 1_000

/** The same for a key with reservations, which may be settled at any time. */
const MAX_HELD_TTL_MS = 100

/** Past this number the oldest denials are dropped. */
const MAX_KEYS = 10_000

interface Denial {
  readonly policy: Policy
  readonly tokens: number
  readonly reading: BucketReading
  readonly receivedAtMs: number
  readonly expiresAtMs: number
}

/**
 * The last denial of each key. Until the denied check could be allowed, the same check is answered from here, without the store.
 * An expired denial is kept as the sign that the key was exhausted a moment ago.
 */
export class DenialCache {
  readonly #now: () => number
  readonly #denials = new Map<string, Denial>()

  /** @param now a monotonic clock, in ms */
  constructor(now: () => number) {
    this.#now = now
  }

  /**
   * Remembers a denial.
   * @param sentAtMs a moment before the store was asked. The denial expires by this clock, so it never lasts too long. The store
   * counts from the start of its millisecond, which may lie almost 1 ms earlier.
   */
  remember({ key, policy, tokens }: BucketCheck, reading: BucketReading, retryAfterMs: number, sentAtMs: number): void {
    const expiresAtMs = sentAtMs + Math.min(retryAfterMs - 1, maxTtlOf(reading))
    setBounded(this.#denials, key, { policy, tokens, reading, receivedAtMs: this.#now(), expiresAtMs }, MAX_KEYS)
  }

  /**
   * The reading as it is now, if the same check was denied and still would be. It is counted from when the reply was received, so
   * no waiting time is too short.
   */
  recall(check: BucketCheck): BucketReading | undefined {
    const denial = this.#denialOf(check)
    if (denial === undefined) return undefined
    const now = this.#now()
    if (now >= denial.expiresAtMs) return undefined
    return readingAfter(denial.reading, check.policy.limits, Math.floor(now - denial.receivedAtMs))
  }

  /** Removes the denial of the same check. Returns whether there was one. */
  remove(check: BucketCheck): boolean {
    return this.#denialOf(check) !== undefined && this.#denials.delete(check.key)
  }

  /** Forgets the denial of the key, unless it was for the same check. */
  forgetOtherThan(check: BucketCheck): void {
    if (this.#denials.size > 0 && this.#denialOf(check) === undefined) this.#denials.delete(check.key)
  }

  forget(key: string): void {
    if (this.#denials.size > 0) this.#denials.delete(key)
  }

  #denialOf({ key, policy, tokens }: BucketCheck): Denial | undefined {
    const denial = this.#denials.get(key)
    return denial?.policy === policy && denial.tokens === tokens ? denial : undefined
  }
}

/** When a reservation expires, the key may have more tokens. */
function maxTtlOf({ held }: BucketReading): number {
  return held === undefined ? MAX_DENIAL_TTL_MS : Math.min(MAX_HELD_TTL_MS, held.nextExpiryMs - 1)
}
