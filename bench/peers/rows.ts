import { BATCH_SIZE } from '../load/keys.ts'
import type { RequestKind } from '../load/messages.ts'
import { SERVICE } from '../rows.ts'
import type { Protocol } from './peers.ts'

/** One thing that is measured: a kind of request, to the service or to a peer. */
export interface PeerRow {
  readonly name: string
  readonly server: string
  readonly protocol: Protocol
  readonly requests: RequestKind
  readonly decisionsPerAnswer: number
  readonly status: number
}

const one = (server: string, protocol: Protocol, requests: RequestKind): PeerRow => ({
  name: `${server}, ${protocol}`,
  server,
  protocol,
  requests,
  decisionsPerAnswer: 1,
  status: 200,
})

const hundred = (...row: Parameters<typeof one>): PeerRow => {
  const { name, ...rest } = one(...row)
  return { ...rest, name: `${name}, in hundreds`, decisionsPerAnswer: BATCH_SIZE }
}

/** In the order in which a round runs them. */
export const PEER_ROWS: readonly PeerRow[] = [
  one(SERVICE, 'HTTP', 'single'),
  one(SERVICE, 'gRPC', 'ratelimit-grpc'),
  one('envoyproxy/ratelimit', 'gRPC', 'ratelimit-grpc'),
  one('gubernator', 'gRPC', 'gubernator-grpc'),
  one('throttlecrab', 'HTTP', 'throttlecrab-http'),
  one('throttlecrab', 'RESP', 'throttlecrab-resp'),
  hundred(SERVICE, 'HTTP', 'batch'),
  hundred(SERVICE, 'gRPC', 'ratelimit-batches'),
  hundred('envoyproxy/ratelimit', 'gRPC', 'ratelimit-batches'),
  hundred('gubernator', 'gRPC', 'gubernator-batches'),
  hundred('throttlecrab', 'RESP', 'throttlecrab-pipelines'),
]
