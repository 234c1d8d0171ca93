import type { MaintainedPartition } from '../../config-change/maintenance/ports.ts'
import { CONFIG_PARTITIONS } from '../../domain/partition.ts'
import type { RedisClient } from '../connection/connection.ts'
import { ConfigKeys } from '../keys.ts'
import { RedisMaintainedLog } from './maintained-log.ts'
import { RedisMaintainedProjection } from './maintained-projection.ts'

/** Every partition of the policy store, for verify, rebuild and compact. */
export function maintainedPartitions(redis: RedisClient, keyPrefix: string): readonly MaintainedPartition[] {
  return Array.from({ length: CONFIG_PARTITIONS }, (_, number) => {
    const keys = new ConfigKeys(keyPrefix, number)
    return { number, log: new RedisMaintainedLog(redis, keys), projection: new RedisMaintainedProjection(redis, keys) }
  })
}
