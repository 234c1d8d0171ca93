import { ConfigKeys } from '../redis/keys.ts'

export { queueName } from '../redis/keys.ts'

/** Has the partition's hash tag, so that on Redis Cluster a queue and its log are in one slot. */
export function queuePrefix(keyPrefix: string, partition: number): string {
  return new ConfigKeys(keyPrefix, partition).queuePrefix
}
