import { CONFIG_PARTITIONS } from '../../domain/partition.ts'
import type { RedisClient } from '../connection/connection.ts'
import { policyKeyRights } from '../connection/required-rights.ts'
import { defineScript } from '../define-script.ts'
import { ConfigKeys } from '../keys.ts'
import { missingRightScript } from '../scripts.ts'

export interface WriteProbeOptions {
  readonly keyPrefix: string
  /** Whether this service logs in as a user of its own. Otherwise no rights are asked for: the embedded store fails when it is asked. */
  readonly hasUser: boolean
}

/**
 * Returns a function that sends each partition's server a write that has no effect, and asks it for the rights that changes need. A
 * server that is full, read-only or cannot persist refuses the write like any other, although it answers reads and usually PING. It
 * rejects with the server's error.
 */
export function writeProbe(redis: RedisClient, { keyPrefix, hasUser }: WriteProbeOptions): () => Promise<void> {
  const requireRights = defineScript<number>(redis, 'throttlerMissingRight', missingRightScript)
  const probes = Array.from({ length: CONFIG_PARTITIONS }, (_, n) => {
    const { writeProbe } = new ConfigKeys(keyPrefix, n)
    const commands = policyKeyRights(writeProbe, keyPrefix).map(({ command, args }) => [command, ...args])
    return { key: writeProbe, commands: JSON.stringify(commands) }
  })
  return async () => {
    await Promise.all(
      probes.flatMap(({ key, commands }) => [
        redis.set(key, '', 'XX'),
        ...(hasUser ? [requireRights(1, key, commands)] : []),
      ]),
    )
  }
}
