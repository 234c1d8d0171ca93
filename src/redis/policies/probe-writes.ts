import { Cluster } from 'ioredis'
import { CONFIG_PARTITIONS } from '../../domain/partition.ts'
import type { RedisClient } from '../connection/connection.ts'
import { clusterRights, commonKeyRights, policyKeyRights, type Right } from '../connection/required-rights.ts'
import { defineScript } from '../define-script.ts'
import { ConfigKeys } from '../keys.ts'
import { missingRightScript } from '../scripts.ts'

export interface WriteProbeOptions {
  readonly keyPrefix: string
  /** Whether this service logs in as a user of its own. Otherwise no rights are asked for: the embedded store fails when it is asked. */
  readonly hasUser: boolean
}

/**
 * Returns a function that sends each partition's server a write that has no effect, and asks it for the rights that changes need, also
 * to the keys that belong to no partition. A server that is full, read-only or cannot persist refuses the write like any other,
 * although it answers reads and usually PING. It rejects with the server's error.
 */
export function writeProbe(redis: RedisClient, { keyPrefix, hasUser }: WriteProbeOptions): () => Promise<void> {
  const requireRights = defineScript<number>(redis, 'throttlerMissingRight', missingRightScript)
  const ofCluster = redis instanceof Cluster ? clusterRights(keyPrefix) : []
  const probes = Array.from({ length: CONFIG_PARTITIONS }, (_, n) => {
    const { writeProbe } = new ConfigKeys(keyPrefix, n)
    return { key: writeProbe, commands: commandsOf([...policyKeyRights(writeProbe, keyPrefix), ...ofCluster]) }
  })
  // A write to these keys could have an effect.
  const common = commonKeyRights(keyPrefix).map(({ key, rights }) => ({ key, commands: commandsOf(rights) }))
  return async () => {
    await Promise.all([
      ...probes.map(({ key }) => redis.set(key, '', 'XX')),
      ...common.map(({ key }) => redis.type(key)),
      ...(hasUser ? [...probes, ...common].map(({ key, commands }) => requireRights(1, key, commands)) : []),
    ])
  }
}

/** As the script reads them. */
function commandsOf(rights: readonly Right[]): string {
  return JSON.stringify(rights.map(({ command, args }) => [command, ...args]))
}
