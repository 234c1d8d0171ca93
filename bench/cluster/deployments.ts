import type { MeasuredProcess } from '../processes/measured-process.ts'
import { startCluster } from '../processes/redis-cluster.ts'
import { type RedisServer, startRedis } from '../processes/redis-server.ts'
import { startService } from '../processes/service.ts'

const MASTERS = 3
const FRONTS = 2

/** Fronts as on so many machines, and the Redis servers that they share. */
export interface Deployment {
  readonly name: 'standalone' | 'cluster'
  readonly servers: readonly RedisServer[]
  readonly fronts: readonly MeasuredProcess[]
  stop(): Promise<void>
}

export async function startDeployment(name: Deployment['name']): Promise<Deployment> {
  const servers = name === 'cluster' ? await startCluster(MASTERS) : [await startRedis()]
  const hosts = servers.map(({ port }) => `127.0.0.1:${port}`).join(',')
  const url = name === 'cluster' ? `redis+cluster://${hosts}` : `redis://${hosts}`
  const fronts: MeasuredProcess[] = []
  for (let i = 0; i < FRONTS; i++) fronts.push(await startService(url))
  return {
    name,
    servers,
    fronts,
    stop: async () => {
      for (const { stop } of [...fronts, ...servers]) await stop()
    },
  }
}
