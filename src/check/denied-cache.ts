import type { Policy } from '../domain/policy.ts'
import { type BucketReading, readingAfter } from '../domain/token-bucket.ts'
import type { BucketCheck } from './ports.ts'

/** So that a reset, an eviction or a failover of the store is seen within a second. */
const LONGEST_MEMORY_MS = 1_000

/** Beyond so many keys the oldest denial is forgotten. */
const MAX_KEYS = 10_000

interface Denial {
  readonly policy: Policy
  readonly tokens: number
  readonly reading: BucketReading
  readonly receivedAtMs: number
  readonly forgetAtMs: number
}

/**
 * What this process knows of exhausted keys: after a denial the same question is answered without the store, until it would be
 * allowed. So a flood on one key costs the store one call a second.
 */
export class DeniedCache {
  readonly #now: () => number
  readonly #denials = new Map<string, Denial>()

  /** @param now a monotonic clock, ms */
  constructor(now: () => number) {
    this.#now = now
  }

  /**
   * Remembers a denial.
   * @param sentAtMs from before the store was asked: forgetting counts from then, so that no denial lasts too long
   */
  remember({ key, policy, tokens }: BucketCheck, reading: BucketReading, retryAfterMs: number, sentAtMs: number): void {
    const forgetAtMs = sentAtMs + Math.min(retryAfterMs, LONGEST_MEMORY_MS)
    this.#denials.delete(key)
    this.#denials.set(key, { policy, tokens, reading, receivedAtMs: this.#now(), forgetAtMs })
    if (this.#denials.size > MAX_KEYS) this.#forgetOldest()
  }

  /**
   * The reading as it is by now, if the same question was denied and still is. It counts from when the reply was received, so
   * that no waiting time is too short.
   */
  recall({ key, policy, tokens }: BucketCheck): BucketReading | undefined {
    const denial = this.#denials.get(key)
    if (denial === undefined) return undefined
    const now = this.#now()
    if (now >= denial.forgetAtMs) {
      this.#denials.delete(key)
      return undefined
    }
    if (denial.policy !== policy || denial.tokens !== tokens) return undefined
    return readingAfter(denial.reading, policy.limits, Math.floor(now - denial.receivedAtMs))
  }

  forget(key: string): void {
    this.#denials.delete(key)
  }

  #forgetOldest(): void {
    for (const key of this.#denials.keys()) {
      this.#denials.delete(key)
      return
    }
  }
}
