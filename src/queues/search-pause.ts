import type { RedisClient } from '../redis/connection/connection.ts'

/**
 * Shortens BullMQ's pause between two searches for abandoned commands to its usual length. The pause is a key that expires at a time of
 * the store's clock. If this clock was an hour ahead for a moment, the next search would be an hour later.
 * @param key BullMQ's `stalled-check` of a queue
 */
export async function shortenSearchPause(redis: RedisClient, key: string, usualMs: number): Promise<void> {
  if ((await redis.pttl(key)) > usualMs) await redis.pexpire(key, usualMs)
}
