import { CONFIG_PARTITIONS } from '../../domain/partition.ts'
import type { RedisClient } from '../connection/connection.ts'
import { ConfigKeys } from '../keys.ts'

/**
 * Sends each partition's server a write that has no effect. A server that is full, read-only or cannot persist refuses it like any
 * other write, although it answers reads and usually PING. Rejects with the server's error.
 */
export async function probeWrites(redis: RedisClient, keyPrefix: string): Promise<void> {
  const partitions = Array.from({ length: CONFIG_PARTITIONS }, (_, n) => new ConfigKeys(keyPrefix, n))
  await Promise.all(partitions.map(({ writeProbe }) => redis.set(writeProbe, '', 'XX')))
}
