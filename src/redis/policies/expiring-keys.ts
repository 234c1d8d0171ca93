import type { RedisClient } from '../connection/connection.ts'

/** A fault for each of these keys that has a time to live, which no key in use has. */
export async function expiringKeys(redis: RedisClient, keys: readonly string[]): Promise<readonly string[]> {
  const remaining = await Promise.all(keys.map(key => redis.pttl(key)))
  return keys.flatMap((key, i) => {
    const ms = remaining[i] ?? -1
    return ms < 0 ? [] : [`the key "${key}" expires in ${ms} ms; run "throttler rebuild" to keep it`]
  })
}
