import { type CompiledLimit, type Policy, shareOf } from '../domain/policy.ts'
import { type Bucket, type BucketReading, checkBucket, forgottenAt, previewOf } from '../domain/token-bucket.ts'
import { putLast } from '../lib/bounded-map.ts'
import type { BucketCheck } from './ports.ts'

/** A bucket that nobody asked for so long may be dropped once it is full, in ms. */
const IDLE_MS = 600_000

/** Beyond so many buckets the one used longest ago is forgotten, which makes it full. */
const MAX_BUCKETS = 100_000

interface LocalBucket {
  /** How many processes share the limits, for as long as this bucket is kept. */
  readonly processes: number
  /** From when it counts, by the clock of outages; a refill of this process's share is never rounded up. */
  readonly sinceMs: number
  readonly bucket: Bucket
  /** Not before then is it full, by the process's clock. */
  readonly fullAtMs: number
  readonly lastAskedAtMs: number
}

interface LocalReading {
  readonly reading: BucketReading
  /** The limits that it counts by. */
  readonly counted: readonly CompiledLimit[]
}

interface LocalBucketsOptions {
  /** How many processes share each limit, as far as is known. */
  processes(): number
  /** For how long the store has been unavailable in all, in ms. Shares refill by this clock. */
  outageMs(): number
  /** How long that clock still stands still, in ms; a part of every waiting time. */
  pauseMs(): number
  /** A clock that never goes back, in ms. */
  now(): number
}

/**
 * This process's own buckets for checks that the store does not answer, with the process's share of each limit. A check that is
 * larger than the share passes when the bucket is full, and puts it into debt. So in an outage of T, N processes together admit
 * at most N · ⌈capacity ÷ N⌉ + refill · T + N · (the largest check).
 *
 * A bucket is kept when the store recovers: a store that comes and goes would otherwise give away the shares again each time.
 * Shares refill only while the store is unavailable, since it refills its own buckets anyway. So a share is full again after so
 * much of outages, or once the store itself has found the key's bucket full.
 */
export class LocalBuckets {
  readonly #options: LocalBucketsOptions
  readonly #buckets = new Map<string, LocalBucket>()
  readonly #shares = new WeakMap<Policy, { readonly processes: number; readonly limits: readonly CompiledLimit[] }>()

  constructor(options: LocalBucketsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#buckets.size
  }

  check({ key, policy, tokens }: BucketCheck): LocalReading {
    const outageMs = Math.floor(this.#options.outageMs())
    const nowMs = this.#options.now()
    const kept = this.#buckets.get(key)
    const { processes, sinceMs } = kept ?? { processes: this.#options.processes(), sinceMs: outageMs }
    const counted = this.#sharesOf(policy, processes)
    const slowNowMs = Math.floor((outageMs - sinceMs) / processes)
    const { reading, bucket } = checkBucket(kept?.bucket, counted, tokens, slowNowMs)
    const pauseMs = Math.ceil(this.#options.pauseMs())
    if (bucket === undefined) this.#buckets.delete(key)
    else {
      const fullAtMs = nowMs + (forgottenAt(bucket) - slowNowMs) * processes
      putLast(this.#buckets, key, { processes, sinceMs, bucket, fullAtMs, lastAskedAtMs: nowMs }, MAX_BUCKETS)
    }
    return { reading: { ...reading, pauseMs }, counted }
  }

  /** What `check` would find, without spending. */
  preview(asked: BucketCheck): LocalReading {
    const { reading, counted } = this.check({ ...asked, tokens: 0 })
    return { reading: previewOf(reading, counted, asked.tokens), counted }
  }

  /** Drops what nobody asks for any more. */
  sweep(): void {
    const nowMs = this.#options.now()
    for (const [key, { fullAtMs, lastAskedAtMs }] of this.#buckets) {
      if (nowMs >= fullAtMs && nowMs - lastAskedAtMs >= IDLE_MS) this.#buckets.delete(key)
    }
  }

  /** Makes a bucket full, since an operator or the store says that the key's is. */
  forget(key: string): void {
    if (this.#buckets.size > 0) this.#buckets.delete(key)
  }

  #sharesOf(policy: Policy, processes: number): readonly CompiledLimit[] {
    const known = this.#shares.get(policy)
    if (known?.processes === processes) return known.limits
    const limits = policy.limits.map(limit => shareOf(limit, processes))
    this.#shares.set(policy, { processes, limits })
    return limits
  }
}
