/** What is stored of a key. `redis/lua/bucket-layout.lua` describes how Redis stores it. */
import type { Hold } from './holds.ts'
import type { ChargeArithmetic } from './limits/limit-arithmetic.ts'

/** Units of one limit that were spent at its last spending. */
export interface BucketEntry {
  readonly id: number
  readonly unitsPerToken: number
  /** Without the debt. */
  readonly spent: number
  /** Units that were charged beyond the capacity. Absent if there are none. */
  readonly debt?: number
  /**
   * What it takes to charge the limit. Present while the bucket has holds, if the limit was one of its policy since; and of limits of the
   * policy that spent last, while there are other entries, beside which each limit has its own time.
   */
  readonly recorded?: ChargeArithmetic
}

/** An entry of a limit that the last policy does not have. */
export interface OtherEntry extends BucketEntry, Times {
  /** Whether it may be full before: the time is that of the slowest limit of its policy. */
  readonly isEstimated?: true
}

/** When entries were last spent from, and are full. */
export interface Times {
  /** By the store's clock, in whole milliseconds. */
  readonly lastSpentAtMs: number
  /** From then on nothing is spent. */
  readonly fullAtMs: number
}

/** The state of one key. The times belong to `entries`, the limits of the policy that spent last. */
export interface Bucket extends Times {
  readonly entries: readonly BucketEntry[]
  /** Kept until they are full, and while there are holds, so that a limit that is removed and restored is not forgotten. */
  readonly others: readonly OtherEntry[]
  /** By deadline, then by id. Absent if there are none. */
  readonly holds?: readonly Hold[]
}
