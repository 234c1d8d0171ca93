import { Redis } from 'ioredis'
import { compilePolicy } from '../../src/domain/policy.ts'
import { RedisBucketStore } from '../../src/redis/buckets/redis-bucket-store.ts'
import { BucketKeys } from '../../src/redis/keys.ts'
import { RedisServer } from '../../test/support/redis-server.ts'

const CALL_SIZE = 256
const SAMPLE = 1000
export const KEY_PREFIX = 'throttler'

/** A token takes 31 days to come back, so that nothing expires meanwhile. */
const limit = { name: 'default', capacity: 1_000_000, refillTokens: 1, refillIntervalMs: 2_678_400_000 }
export const policy = compilePolicy('default', 0, { limits: [limit], mode: 'enforce' })

export interface BucketMemory {
  readonly buckets: number
  /** By how much Redis's `used_memory` grew, for each bucket. */
  readonly bytesPerBucket: number
  /** The mean of what MEMORY USAGE says of a thousand of them. */
  readonly memoryUsage: number
}

/** Memory of buckets with one limit and keys of 16 bytes, in a Redis of their own. */
export async function measureBucketMemory(buckets: number): Promise<BucketMemory> {
  const server = await RedisServer.start()
  const redis = new Redis(server.url)
  try {
    const keys = new BucketKeys(KEY_PREFIX)
    const store = new RedisBucketStore(redis, keys)
    const before = await usedMemory(redis)
    for (let from = 0; from < buckets; from += CALL_SIZE) {
      const size = Math.min(CALL_SIZE, buckets - from)
      await store.check(Array.from({ length: size }, (_, i) => ({ key: callerKey(from + i), policy, tokens: 1 })))
    }
    const bytesPerBucket = ((await usedMemory(redis)) - before) / buckets
    const sampled = Array.from({ length: SAMPLE }, (_, i) => keys.bucket(callerKey(Math.floor((i * buckets) / SAMPLE))))
    const usages = await Promise.all(sampled.map(key => redis.memory('USAGE', key)))
    const memoryUsage = usages.reduce<number>((sum, bytes) => sum + Number(bytes), 0) / SAMPLE
    return { buckets, bytesPerBucket, memoryUsage }
  } finally {
    redis.disconnect()
    await server.stop()
  }
}

/** Of 16 bytes. */
export function callerKey(n: number): string {
  return `user:${String(n).padStart(11, '0')}`
}

export async function usedMemory(redis: Redis): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1])
}
