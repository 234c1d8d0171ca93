import { Redis } from 'ioredis'
import type { ReservationId } from '../../src/domain/reservation-id.ts'
import { RedisBucketStore } from '../../src/redis/buckets/redis-bucket-store.ts'
import { BucketKeys } from '../../src/redis/keys.ts'
import { RedisServer } from '../../test/support/redis-server.ts'
import { callerKey, KEY_PREFIX, policy, usedMemory } from './bucket-memory.ts'
import { holdMany } from './hold-many.ts'

const KEYS = 1_000
const HOLDS_PER_KEY = 100
const CALL_SIZE = 64

/** By how much Redis's `used_memory` grew. */
export interface HoldMemory {
  readonly holdsPerBucket: number
  /** For each bucket, with its holds. */
  readonly bytesPerBucket: number
  /** For the record of each reservation. */
  readonly bytesPerRecord: number
}

/** Memory of buckets with holds and of the records of their reservations, in a Redis of their own. */
export async function measureHoldMemory(): Promise<HoldMemory> {
  const server = await RedisServer.start()
  const redis = new Redis(server.url)
  try {
    const store = new RedisBucketStore(redis, new BucketKeys(KEY_PREFIX))
    const keys = Array.from({ length: KEYS }, (_, i) => callerKey(i))
    const before = await usedMemory(redis)
    const ids = await holdMany({ store, policy, keys, holdsPerKey: HOLDS_PER_KEY })
    const held = await usedMemory(redis)
    // Of what is released, only the records stay.
    await releaseAll(store, ids)
    const recorded = await usedMemory(redis)
    return {
      holdsPerBucket: HOLDS_PER_KEY,
      bytesPerBucket: (held - recorded) / KEYS,
      bytesPerRecord: (recorded - before) / ids.length,
    }
  } finally {
    redis.disconnect()
    await server.stop()
  }
}

async function releaseAll(store: RedisBucketStore, ids: readonly ReservationId[]): Promise<void> {
  for (let from = 0; from < ids.length; from += CALL_SIZE) {
    const releases = ids
      .slice(from, from + CALL_SIZE)
      .map(id => ({ id, amounts: 'release', policyOf: () => policy }) as const)
    await store.settle(releases)
  }
}
