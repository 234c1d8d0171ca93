import { Cluster, type ClusterOptions, type CommonRedisOptions, Redis, type RedisOptions } from 'ioredis'
import type { Logger } from '../../observability/logger.ts'
import { anyNodeConnector } from './any-node-connector.ts'
import { reportLosses } from './connection-report.ts'
import type { RedisTarget } from './redis-target.ts'

/** One server (that Sentinels may have named), or a cluster that looks like one. */
export type RedisClient = Redis | Cluster

const LONGEST_RECONNECT_PAUSE_MS = 200
const reconnectPause = (attempt: number) => Math.min(attempt * 20, LONGEST_RECONNECT_PAUSE_MS)

const common = {
  connectTimeout: 1_000,
  // A server that hangs does not even close a connection.
  disconnectTimeout: 200,
}

/** A server that was a master until now refuses to write: where the master is has to be asked again. */
const isDemoted = (err: Error) => err.message.startsWith('READONLY')

/**
 * What a connection is for decides what it does while Redis is away.
 * Requests fail at once rather than wait, and nothing is sent twice: a batch that was sent again after a reconnect could
 * spend twice. Workers wait for as long as it takes, tools for about a second.
 * @see https://docs.bullmq.io/guide/going-to-production
 */
const purposes = {
  request: { enableOfflineQueue: false, autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 },
  subscriber: { maxRetriesPerRequest: null },
  worker: { maxRetriesPerRequest: null },
  tool: { autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 10 },
} satisfies Record<string, CommonRedisOptions>

/** How often the map of slots is read although nothing seems to have changed, and how long a node may take over it, ms. */
const SLOTS_REFRESH_INTERVAL_MS = 2_000
const SLOTS_REFRESH_TIMEOUT_MS = 500

/** The same for a cluster. A request follows redirections, which were not executed, but is never repeated for a lost connection. */
const clusterPurposes = {
  request: { enableOfflineQueue: false, retryDelayOnFailover: 0, retryDelayOnClusterDown: 0 },
  worker: { maxRedirections: 100 },
  tool: { retryDelayOnFailover: 0, retryDelayOnClusterDown: 0 },
} satisfies Record<string, ClusterOptions>

export interface ConnectionOptions {
  readonly target: RedisTarget
  /** Shown by `CLIENT LIST`. */
  readonly name: string
  readonly logger: Logger
  /** A connection that leaves a command unanswered for so long, ms, is dropped and made anew. */
  readonly hangTimeoutMs?: number
  /** A command that takes longer fails, ms. */
  readonly commandTimeoutMs?: number
}

/** A connection that heals by itself; says once when it is lost and once when it is back. */
export function connect(purpose: keyof typeof clusterPurposes, options: ConnectionOptions): RedisClient {
  const client =
    options.target.kind === 'cluster' ? connectToCluster(purpose, options) : connectToServer(purpose, options)
  reportLosses(client, options)
  return client
}

/** A connection for pub/sub alone; on a cluster, to any of the nodes that the other client knows. */
export function connectSubscriber(options: ConnectionOptions, client: RedisClient): Redis {
  const redis =
    client instanceof Cluster
      ? new Redis({
          ...serverOptions('subscriber', options),
          retryStrategy: reconnectPause,
          Connector: anyNodeConnector(client, options.target),
        })
      : connectToServer('subscriber', options)
  reportLosses(redis, options)
  return redis
}

/** A connection to one server, or to the master that the Sentinels name. */
function connectToServer(purpose: keyof typeof purposes, options: ConnectionOptions): Redis {
  const { target } = options
  const place = target.kind === 'sentinel' ? sentinelOptions(target) : target.endpoints[0]
  return new Redis({
    ...serverOptions(purpose, options),
    ...place,
    db: target.database,
    retryStrategy: reconnectPause,
    reconnectOnError: isDemoted,
  })
}

function connectToCluster(purpose: keyof typeof clusterPurposes, options: ConnectionOptions): Cluster {
  return new Cluster([...options.target.endpoints], {
    ...clusterPurposes[purpose],
    redisOptions: serverOptions(purpose, options),
    clusterRetryStrategy: reconnectPause,
    slotsRefreshInterval: SLOTS_REFRESH_INTERVAL_MS,
    slotsRefreshTimeout: SLOTS_REFRESH_TIMEOUT_MS,
    // A certificate is issued for the name, not for what it resolves to.
    dnsLookup: (host, done) => done(null, host),
  })
}

/** What holds for each server that is connected to. */
function serverOptions(purpose: keyof typeof purposes, { target, ...options }: ConnectionOptions) {
  return {
    ...common,
    ...purposes[purpose],
    ...loginOptions(target),
    connectionName: options.name,
    socketTimeout: options.hangTimeoutMs,
    commandTimeout: options.commandTimeoutMs,
  } satisfies RedisOptions
}

export function loginOptions({ username, password, tls, tlsFiles }: RedisTarget) {
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls: tlsFiles }),
  } satisfies RedisOptions
}

/**
 * Without ioredis' failover detector: what it hears while a connection asks for the new master ends that connection for good.
 * A master that hangs is noticed by who waits for it.
 */
export function sentinelOptions({ endpoints, masterName, sentinelPassword, tls, tlsFiles }: RedisTarget) {
  return {
    sentinels: [...endpoints],
    name: masterName ?? '',
    sentinelCommandTimeout: 500,
    sentinelRetryStrategy: reconnectPause,
    ...(sentinelPassword !== undefined && { sentinelPassword }),
    ...(tls && { enableTLSForSentinelMode: true, sentinelTLS: tlsFiles }),
  } satisfies RedisOptions
}
