import type { Decision } from '../domain/decision.ts'
import type { Policy } from '../domain/policy.ts'
import type { BucketReading } from '../domain/token-bucket.ts'

/** One check as the store sees it. */
export interface BucketCheck {
  readonly key: string
  readonly policy: Policy
  /** 0 reads and spends nothing. */
  readonly tokens: number
}

/** Where buckets live. Decides checks exactly, one after another in the order given, and all with one clock. */
export interface BucketStore {
  /** Rejects when the store cannot be asked; whether something was spent is then unknown. A check without a reading could not be asked. */
  check(checks: readonly BucketCheck[]): Promise<readonly (BucketReading | undefined)[]>
  /** Makes a bucket full. Rejects when the store cannot be asked. */
  reset(key: string): Promise<void>
}

/** A part of a store that lives and fails by itself. */
export interface BucketShard extends BucketStore {
  readonly name: string
  /** Not allowed as a caller's key; its bucket would live here. */
  readonly probeKey: string
}

/** A store in parts. Which there are, and what lives where, may change at any time. */
export interface ShardedBucketStore {
  readonly shards: readonly BucketShard[]
  /** Where the key's bucket lives now. */
  shardOf(key: string): BucketShard
}

/** What the flow tells whoever counts. */
export interface CheckObserver {
  decided(decision: Decision, seconds: number): void
  /** The store was away and the policy denies then. Refused input is not told. */
  undecided(policy: Policy, seconds: number): void
  /** A batch was sent and answered, or not; then with the reason, of which there are few. */
  storeCalled(checks: number, seconds: number, failure?: string): void
}
