import { RedisCluster } from '../../test/support/redis-cluster.ts'
import { RedisServer } from '../../test/support/redis-server.ts'
import type { MeasuredProcess } from '../processes/measured-process.ts'
import { startService } from '../processes/service.ts'

const FRONTS = 2

/** Numbers of masters; 1 stands for one server without a cluster. */
export const MASTERS = [1, 3, 6] as const
/** That of Redis itself: a node that is busy under load is not to be taken for dead. */
const NODE_TIMEOUT_MS = 15_000

export type DeploymentName = ReturnType<typeof nameOf>

export function nameOf(masters: (typeof MASTERS)[number]) {
  return masters === 1 ? 'one server' : (`${masters} masters` as const)
}

/** Front processes as on several machines, and the Redis servers that they share. */
export interface Deployment {
  readonly name: DeploymentName
  readonly servers: readonly RedisServer[]
  readonly fronts: readonly MeasuredProcess[]
  stop(): Promise<void>
}

export async function startDeployment(masters: (typeof MASTERS)[number]): Promise<Deployment> {
  const { url, servers, stop } = await (masters === 1 ? startServer() : startCluster(masters))
  const fronts: MeasuredProcess[] = []
  for (let i = 0; i < FRONTS; i++) fronts.push(await startService(url))
  return {
    name: nameOf(masters),
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

async function startCluster(masters: number): Promise<Store> {
  const cluster = await RedisCluster.start({ masters, nodeTimeoutMs: NODE_TIMEOUT_MS })
  return { url: cluster.url, servers: cluster.masters.map(({ server }) => server), stop: () => cluster.stop() }
}

async function startServer(): Promise<Store> {
  const server = await RedisServer.start()
  return { url: server.url, servers: [server], stop: () => server.stop() }
}
