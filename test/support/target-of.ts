import { bucketTarget, type RedisTarget } from '../../src/redis/connection/redis-target.ts'
import { readEnv } from '../../src/settings/env.ts'

/** The target that the service derives from a URL and additional variables. */
export function targetOf(url: string, variables: Readonly<Record<string, string>> = {}): RedisTarget {
  return bucketTarget(readEnv({ needsRedis: true }, { REDIS_URL: url, ...variables }))
}
