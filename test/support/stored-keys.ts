import type { Redis } from 'ioredis'
import { serverTimeMs } from '../../src/redis/connection/server-time.ts'

/** A key of Redis as plain JSON. Unlike the format of DUMP, it can be restored to any version of Redis. */
export type StoredKey = { readonly key: string; readonly ttlMs?: number } & StoredValue

type StoredValue =
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'hash'; readonly fields: Readonly<Record<string, string>> }
  | { readonly type: 'list'; readonly items: readonly string[] }
  | { readonly type: 'zset'; readonly members: readonly (readonly [member: string, score: string])[] }
  | { readonly type: 'stream'; readonly entries: readonly (readonly [id: string, fields: readonly string[]])[] }

/** Writes the keys. Expiring keys keep the time to live that they had. */
export async function restoreKeys(redis: Redis, keys: readonly StoredKey[]): Promise<void> {
  for (const stored of keys) {
    await restore(redis, stored)
    if (stored.ttlMs !== undefined) await redis.pexpire(stored.key, stored.ttlMs)
  }
}

async function restore(redis: Redis, stored: StoredKey): Promise<void> {
  const { key } = stored
  switch (stored.type) {
    case 'string':
      await redis.set(key, stored.value)
      break
    case 'hash':
      await redis.hset(key, stored.fields)
      break
    case 'list':
      await redis.rpush(key, ...stored.items)
      break
    case 'zset':
      await redis.zadd(key, ...stored.members.flatMap(([member, score]) => [score, member]))
      break
    case 'stream':
      for (const [id, fields] of stored.entries) await redis.xadd(key, id, ...fields)
      break
  }
}

/** A bucket as a release wrote it, at an age that the test chooses. */
export interface StoredBucket {
  readonly redisKey: string
  /** The stored value in base64. Its first 8 bytes are the time of the last spending, in ms. */
  readonly value: string
  /** How long ago it was last spent from; negative if Redis's clock has gone back since. */
  readonly ageMs: number
  /** When it expires, counted from when it was last spent from. */
  readonly expiresAfterMs: number
}

/** Writes the bucket as if it had been spent from `ageMs` ago. */
export async function restoreBucket(redis: Redis, bucket: StoredBucket): Promise<void> {
  const lastSpentAtMs = (await serverTimeMs(redis)) - bucket.ageMs
  const value = Buffer.from(bucket.value, 'base64')
  value.writeDoubleBE(lastSpentAtMs)
  await redis.set(bucket.redisKey, value, 'PXAT', lastSpentAtMs + bucket.expiresAfterMs)
}
