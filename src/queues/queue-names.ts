import { ConfigKeys } from '../redis/keys.ts'

export function queueName(partition: number): string {
  return `config-${partition}`
}

/** Bears the partition's hash tag, so that on Redis Cluster a queue lies with its log. */
export function queuePrefix(keyPrefix: string, partition: number): string {
  return new ConfigKeys(keyPrefix, partition).queuePrefix
}
