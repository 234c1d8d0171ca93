import { Redis } from 'ioredis'
import { freePort } from '../../src/processes/free-port.ts'
import { eventually } from '../../test/support/eventually.ts'
import { type RedisServer, startRedis } from './redis-server.ts'

const SLOTS = 16_384
const LOOPBACK = '127.0.0.1'
const PATIENCE_MS = 20_000

/** So many masters, each with its share of the slots, and no replicas. */
export async function startCluster(masters: number): Promise<readonly RedisServer[]> {
  const busPorts = await Promise.all(Array.from({ length: masters }, () => freePort(LOOPBACK)))
  const servers = await Promise.all(
    busPorts.map(busPort => startRedis('--cluster-enabled', 'yes', '--cluster-port', String(busPort))),
  )
  const nodes = servers.map(({ url }) => new Redis(url))
  const boundary = (n: number) => Math.round((n * SLOTS) / masters)
  for (const [i, node] of nodes.entries()) {
    await node.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1)
    await node.cluster('ADDSLOTSRANGE', boundary(i), boundary(i + 1) - 1)
    await nodes[0]?.call('CLUSTER', 'MEET', LOOPBACK, servers[i]?.port ?? 0, busPorts[i] ?? 0)
  }
  await eventually(async () => {
    for (const node of nodes) {
      if (!String(await node.cluster('INFO')).includes('cluster_state:ok'))
        throw new Error('the cluster is not whole yet')
    }
  }, PATIENCE_MS)
  for (const node of nodes) node.disconnect()
  return servers
}
