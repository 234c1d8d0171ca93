import { RedisCluster } from '../../test/support/redis-cluster.ts'
import { RedisServer } from '../../test/support/redis-server.ts'
import type { MeasuredProcess } from '../processes/measured-process.ts'
import { startService } from '../processes/service.ts'

const MASTERS = 3
const FRONTS = 2
/** That of Redis itself: a node that is busy under load is not to be taken for dead. */
const NODE_TIMEOUT_MS = 15_000

/** Front processes as on several machines, and the Redis servers that they share. */
export interface Deployment {
  readonly name: 'standalone' | 'cluster'
  readonly servers: readonly RedisServer[]
  readonly fronts: readonly MeasuredProcess[]
  stop(): Promise<void>
}

export async function startDeployment(name: Deployment['name']): Promise<Deployment> {
  const { url, servers, stop } = await (name === 'cluster' ? startCluster() : startStandalone())
  const fronts: MeasuredProcess[] = []
  for (let i = 0; i < FRONTS; i++) fronts.push(await startService(url))
  return {
    name,
    servers,
    fronts,
    stop: async () => {
      for (const front of fronts) await front.stop()
      await stop()
    },
  }
}

interface Store {
  readonly url: string
  readonly servers: readonly RedisServer[]
  stop(): Promise<void>
}

async function startCluster(): Promise<Store> {
  const cluster = await RedisCluster.start({ masters: MASTERS, nodeTimeoutMs: NODE_TIMEOUT_MS })
  return { url: cluster.url, servers: cluster.masters.map(({ server }) => server), stop: () => cluster.stop() }
}

async function startStandalone(): Promise<Store> {
  const server = await RedisServer.start()
  return { url: server.url, servers: [server], stop: () => server.stop() }
}
