import { ConfigKeys } from '../redis/keys.ts'

export { queueName } from '../redis/keys.ts'

/** Bears the partition's hash tag, so that on Redis Cluster a queue lies with its log. */
export function queuePrefix(keyPrefix: string, partition: number): string {
  return new ConfigKeys(keyPrefix, partition).queuePrefix
}
