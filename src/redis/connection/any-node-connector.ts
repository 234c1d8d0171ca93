import { connect as connectSocket, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { AbstractConnector, type Cluster } from 'ioredis'
import type { Endpoint } from '../../settings/redis-url.ts'
import type { RedisTarget } from './redis-target.ts'

const DISCONNECT_TIMEOUT_MS = 200

/**
 * Connects a subscriber to any node of a cluster, to another one each time: a message reaches every node. ioredis' own cluster
 * subscriber does not report that it has changed nodes, so missed messages would go unnoticed.
 * @see https://redis.io/docs/latest/develop/interact/pubsub/
 */
export function anyNodeConnector(cluster: Cluster, { endpoints, tls, tlsFiles }: RedisTarget) {
  let turn = Math.floor(Math.random() * endpoints.length)

  const next = (): Endpoint => {
    const known = cluster.nodes().map(({ options }) => ({ host: options.host ?? '', port: options.port ?? 0 }))
    const nodes = known.length > 0 ? known : endpoints
    return nodes[turn++ % nodes.length] as Endpoint
  }

  return class AnyNodeConnector extends AbstractConnector {
    constructor() {
      super(DISCONNECT_TIMEOUT_MS)
    }

    override async connect(): Promise<Socket> {
      this.connecting = true
      const socket = tls ? connectTls({ ...next(), ...tlsFiles }) : connectSocket(next())
      this.stream = socket
      return socket
    }
  }
}
