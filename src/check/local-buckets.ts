import { type CompiledLimit, type Policy, shareOf } from '../domain/policy.ts'
import { type Bucket, type BucketReading, checkBucket } from '../domain/token-bucket.ts'
import { putLast } from './bounded-map.ts'
import type { BucketCheck } from './ports.ts'

/** Beyond so many buckets the one used longest ago is forgotten, which makes it full. */
const MAX_BUCKETS = 100_000

interface LocalBucket {
  /** How many processes share the limits, for as long as this bucket is kept. */
  readonly processes: number
  /** From when it counts; a refill of this process's share is never rounded up. */
  readonly sinceMs: number
  readonly bucket: Bucket
}

interface LocalBucketsOptions {
  /** How many processes share each limit, as far as is known. */
  processes(): number
  /** A clock in whole milliseconds that never goes back. */
  now(): number
}

/**
 * This process's own buckets for as long as the store is away, with its share of each limit. A check that is larger than the
 * share passes when the bucket is full, and puts it into debt. So N processes together admit in a time T at most
 * N · ⌈capacity ÷ N⌉ + refill · T + N · (the largest check).
 */
export class LocalBuckets {
  readonly #options: LocalBucketsOptions
  readonly #buckets = new Map<string, LocalBucket>()
  readonly #shares = new WeakMap<Policy, { readonly processes: number; readonly limits: readonly CompiledLimit[] }>()

  constructor(options: LocalBucketsOptions) {
    this.#options = options
  }

  /** The reading, and the limits that it counts by. */
  check({ key, policy, tokens }: BucketCheck): { reading: BucketReading; counted: readonly CompiledLimit[] } {
    const nowMs = this.#options.now()
    const kept = this.#buckets.get(key)
    const { processes, sinceMs } = kept ?? { processes: this.#options.processes(), sinceMs: nowMs }
    const counted = this.#sharesOf(policy, processes)
    const slowNowMs = Math.floor((nowMs - sinceMs) / processes)
    const { reading, bucket } = checkBucket(kept?.bucket, counted, tokens, slowNowMs)
    if (bucket === undefined) this.#buckets.delete(key)
    else putLast(this.#buckets, key, { processes, sinceMs, bucket }, MAX_BUCKETS)
    return { reading, counted }
  }

  /** Makes all buckets full: the store's own count again. */
  forget(): void {
    this.#buckets.clear()
  }

  #sharesOf(policy: Policy, processes: number): readonly CompiledLimit[] {
    const known = this.#shares.get(policy)
    if (known?.processes === processes) return known.limits
    const limits = policy.limits.map(limit => shareOf(limit, processes))
    this.#shares.set(policy, { processes, limits })
    return limits
  }
}
