import type { Policy } from '../domain/policy.ts'
import { type BucketReading, readingAfter } from '../domain/token-bucket.ts'
import { putLast } from '../lib/bounded-map.ts'
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
  /** The first check to ask the store again once this was forgotten; the others wait for what it learns. */
  askedAgain?: Promise<unknown>
}

/**
 * What this process knows of exhausted keys: after a denial the same question is answered without the store, until it would be
 * allowed. Then one check asks again, and the others wait for what it learns, so a flood on one key costs the store one call a
 * second.
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
   * @param sentAtMs from before the store was asked: forgetting counts from then, so that no denial lasts too long. The store
   * counts from the beginning of its millisecond, which may be almost 1 ms before.
   */
  remember({ key, policy, tokens }: BucketCheck, reading: BucketReading, retryAfterMs: number, sentAtMs: number): void {
    const forgetAtMs = sentAtMs + Math.min(retryAfterMs - 1, LONGEST_MEMORY_MS)
    putLast(this.#denials, key, { policy, tokens, reading, receivedAtMs: this.#now(), forgetAtMs }, MAX_KEYS)
  }

  /**
   * The reading as it is by now, if the same question was denied and still is. It counts from when the reply was received, so
   * that no waiting time is too short.
   */
  recall(asked: BucketCheck): BucketReading | undefined {
    const denial = this.#denials.get(asked.key)
    if (denial === undefined || !isSameQuestion(denial, asked)) return undefined
    const now = this.#now()
    if (now >= denial.forgetAtMs) return undefined
    return readingAfter(denial.reading, asked.policy.limits, Math.floor(now - denial.receivedAtMs))
  }

  /** Settles once a check that asks the same question again has its answer; `undefined` when none does. */
  askedAgain(asked: BucketCheck): Promise<unknown> | undefined {
    const denial = this.#denials.get(asked.key)
    return denial !== undefined && isSameQuestion(denial, asked) ? denial.askedAgain : undefined
  }

  /** Whether the same question was denied, and nobody asks it again yet. */
  isToBeAskedAgain(asked: BucketCheck): boolean {
    const denial = this.#denials.get(asked.key)
    return denial !== undefined && isSameQuestion(denial, asked) && denial.askedAgain === undefined
  }

  /** The question is being asked again. */
  askAgain(asked: BucketCheck, answer: Promise<unknown>): void {
    const denial = this.#denials.get(asked.key)
    if (denial === undefined || !isSameQuestion(denial, asked)) return
    const forgotten = () => this.#denials.get(asked.key) === denial && this.#denials.delete(asked.key)
    denial.askedAgain = answer.then(forgotten, forgotten)
  }

  /** Forgets what another question about the key was answered. */
  forgetOtherThan(asked: BucketCheck): void {
    const denial = this.#denials.get(asked.key)
    if (denial !== undefined && !isSameQuestion(denial, asked)) this.#denials.delete(asked.key)
  }

  forget(key: string): void {
    if (this.#denials.size > 0) this.#denials.delete(key)
  }
}

function isSameQuestion(denial: Denial, { policy, tokens }: BucketCheck): boolean {
  return denial.policy === policy && denial.tokens === tokens
}
