import type { RedisClient } from '../redis/connection/connection.ts'

/**
 * Shortens the time to live of a key to its usual length. A key expires at a time of the store's clock. If this clock was an hour ahead
 * for a moment, what was written then would live for an hour longer.
 */
export async function capExpiry(redis: RedisClient, key: string, usualMs: number): Promise<void> {
  if ((await redis.pttl(key)) > usualMs) await redis.pexpire(key, usualMs)
}
