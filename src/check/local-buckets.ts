import { type CompiledLimit, compileLimits, type Policy } from '../domain/policy.ts'
import { type Bucket, type BucketReading, checkBucket } from '../domain/token-bucket.ts'
import type { BucketCheck } from './ports.ts'

/** Beyond so many buckets the one used longest ago is forgotten, which makes it full. */
const MAX_BUCKETS = 100_000

/**
 * This process's own buckets for as long as the store is away: with N processes each has a share of capacity ⌈capacity ÷ N⌉
 * and of refill ÷ N, so that all together admit about what the policy says.
 */
export class LocalBuckets {
  readonly #processes: number
  readonly #now: () => number
  readonly #buckets = new Map<string, Bucket>()
  readonly #shares = new WeakMap<Policy, readonly CompiledLimit[]>()

  /** @param now a clock in whole milliseconds that never goes back */
  constructor(processes: number, now: () => number) {
    this.#processes = processes
    this.#now = now
  }

  /** The reading, and the limits that it counts by. */
  check({ key, policy, tokens }: BucketCheck): { reading: BucketReading; counted: readonly CompiledLimit[] } {
    const counted = this.#shareOf(policy)
    const { reading, bucket } = checkBucket(this.#buckets.get(key), counted, tokens, this.#now())
    this.#buckets.delete(key)
    if (bucket !== undefined) this.#buckets.set(key, bucket)
    if (this.#buckets.size > MAX_BUCKETS) this.#forgetOldest()
    return { reading, counted }
  }

  #forgetOldest(): void {
    for (const key of this.#buckets.keys()) {
      this.#buckets.delete(key)
      return
    }
  }

  #shareOf(policy: Policy): readonly CompiledLimit[] {
    const known = this.#shares.get(policy)
    if (known !== undefined) return known
    const share = compileLimits(
      policy.definition.limits.map(limit => ({
        ...limit,
        capacity: Math.ceil(limit.capacity / this.#processes),
        refillIntervalMs: limit.refillIntervalMs * this.#processes,
      })),
    )
    this.#shares.set(policy, share)
    return share
  }
}
