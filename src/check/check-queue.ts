import { Batcher } from './batcher.ts'
import type { CheckQueue, OnReading } from './pending-check.ts'
import type { BucketStore } from './ports.ts'
import type { Rounds } from './rounds.ts'

/** The weight of the checks in one call of the store: as many by one limit. */
const MAX_BATCH = 256

/**
 * The queue in front of a store, or of one shard of it.
 * @param timeoutMs how long a check waits for its reading
 * @param rounds those of all shards
 */
export function checkQueue(store: BucketStore, timeoutMs: number, onReading: OnReading, rounds?: Rounds): CheckQueue {
  return new Batcher({
    call: checks => store.check(checks),
    timeoutMs,
    maxBatch: MAX_BATCH,
    onReply: onReading,
    rounds,
  })
}
