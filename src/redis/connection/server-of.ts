import { Cluster, type Redis } from 'ioredis'
import type { RedisClient } from './connection.ts'
import { ConnectionLost } from './transient.ts'

/** The server that holds a key. A cluster client sends commands without keys, such as SCAN, to any node. */
export async function serverOf(client: RedisClient, key: string): Promise<Redis> {
  if (!(client instanceof Cluster)) return client
  const slot = await client.cluster('KEYSLOT', key)
  const address = client.slots[slot]?.[0]
  const server = client.nodes('master').find(({ options }) => `${options.host}:${options.port}` === address)
  if (server === undefined) throw new ConnectionLost(`no master is known for the slot ${slot}`)
  return server
}
