import type { RedisClient } from '../redis/connection/connection.ts'

/** What Redis returns as the time to live of a key that has none. */
const NEVER_EXPIRES = -1

/**
 * Shortens the time to live of a key to its usual length. A key expires at a time of the store's clock. If this clock was an hour ahead
 * for a moment, what was written then would live for an hour longer. A key that never expires was written by another program.
 */
export async function capExpiry(redis: RedisClient, key: string, usualMs: number): Promise<void> {
  const leftMs = await redis.pttl(key)
  if (leftMs === NEVER_EXPIRES || leftMs > usualMs) await redis.pexpire(key, usualMs)
}
