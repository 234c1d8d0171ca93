import { CONFIG_PARTITIONS } from '../domain/partition.ts'
import type { RedisClient } from './connection.ts'
import { ConfigKeys } from './keys.ts'

/**
 * Asks each partition's server to write what it does not write. A server that is full, read-only or cannot persist refuses that as
 * it refuses any other write, while it answers reads, and mostly PING.
 */
export async function probeWrites(redis: RedisClient, keyPrefix: string): Promise<void> {
  const partitions = Array.from({ length: CONFIG_PARTITIONS }, (_, n) => new ConfigKeys(keyPrefix, n))
  await Promise.all(partitions.map(({ writeProbe }) => redis.set(writeProbe, '', 'XX')))
}
