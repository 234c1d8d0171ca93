import { CONFIG_PARTITIONS } from '../domain/partition.ts'
import { ConfigKeys, queueName } from '../redis/keys.ts'
import type { InProcessConnection } from './in-process-connection.ts'

/** BullMQ's lists of the jobs that have not ended. */
const UNFINISHED = ['wait', 'paused', 'active']

/** Whether commands are queued or running, which are in memory only. */
export function hasQueuedCommands(store: InProcessConnection, keyPrefix: string): boolean {
  return Array.from({ length: CONFIG_PARTITIONS }, (_, n) => n).some(n => {
    const queue = `${new ConfigKeys(keyPrefix, n).queuePrefix}:${queueName(n)}`
    return UNFINISHED.some(list => Number(store.call('LLEN', `${queue}:${list}`)) > 0)
  })
}
