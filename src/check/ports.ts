import type { Decision } from '../domain/decision.ts'
import type { Policy } from '../domain/policy.ts'
import type { BucketReading } from '../domain/reading.ts'

/** One check, as the store sees it. */
export interface BucketCheck {
  readonly key: string
  readonly policy: Policy
  /** 0 reads and spends nothing. */
  readonly tokens: number
}

/** Holds the buckets. Decides checks exactly, in the given order, and all by one clock. */
export interface BucketStore {
  /**
   * Returns one reading for each check; `undefined` where the store was unavailable for it. Rejects if the store is unavailable;
   * whether tokens were spent is then unknown.
   */
  check(checks: readonly BucketCheck[]): Promise<readonly (BucketReading | undefined)[]>
  /** Fills a bucket. Rejects if the store is unavailable. */
  reset(key: string): Promise<void>
}

/** A part of a store that fails independently of the others. */
export interface BucketShard extends BucketStore {
  readonly name: string
  /** A key of this shard that callers may not use. */
  readonly probeKey: string
}

/** A store in shards. Shards, and the keys that they hold, may change at any time. */
export interface ShardedBucketStore {
  readonly shards: readonly BucketShard[]
  /** The shard that holds the key's bucket now. */
  shardOf(key: string): BucketShard
}

/** Counts what the flow does. */
export interface CheckObserver {
  /** @param requestId id of the request that asked, if its protocol has ids */
  decided(decision: Decision, seconds: number, requestId?: string): void
  /** The store was unavailable, and the policy denies checks meanwhile. Invalid input is not reported. */
  undecided(check: BucketCheck, seconds: number): void
  /** A batch was sent. `failure` is one of few words; absent if the batch was answered. */
  storeCalled(checks: number, seconds: number, failure?: string): void
}
