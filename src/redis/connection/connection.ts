import { Cluster, type ClusterOptions, type CommonRedisOptions, type Redis, type RedisOptions } from 'ioredis'
import type { Logger } from '../../observability/logger.ts'
import { anyNodeConnector } from './any-node-connector.ts'
import { ClusterConnection } from './cluster-connection.ts'
import { reportLosses } from './connection-report.ts'
import type { RedisTarget } from './redis-target.ts'
import { ServerConnection } from './server-connection.ts'
import './malformed-replies.ts'
import './read-before-timeout.ts'

/** One server, possibly named by Sentinels, or a cluster. */
export type RedisClient = Redis | Cluster

const MAX_RECONNECT_PAUSE_MS = 200
const reconnectPause = (attempt: number) => Math.min(attempt * 20, MAX_RECONNECT_PAUSE_MS)

const common = {
  connectTimeout: 1_000,
  // A hung server does not even close a connection.
  disconnectTimeout: 200,
  // How often a server that loads its data is asked whether it is ready.
  maxLoadingRetryTime: 200,
}

/**
 * The purpose of a connection decides what its commands do while Redis is unavailable. Requests fail at once, and nothing is sent
 * twice: a batch that is sent again after a reconnect could spend twice. Workers wait without limit, tools for about a second if Redis
 * is down, and for some seconds if it hangs.
 * @see https://docs.bullmq.io/guide/going-to-production
 */
const purposes = {
  request: { enableOfflineQueue: false, autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 },
  // ioredis would subscribe again by itself, and leave its failure to nobody, which ends the process.
  subscriber: { maxRetriesPerRequest: null, autoResubscribe: false },
  worker: { maxRetriesPerRequest: null },
  tool: { autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 10, commandTimeout: 5_000 },
} satisfies Record<string, CommonRedisOptions>

/** How often the slot map is read, and how long a node may take to answer, in ms. */
const SLOTS_REFRESH_INTERVAL_MS = 2_000
const SLOTS_REFRESH_TIMEOUT_MS = 500

/** The same for a cluster. A redirected request was not executed, so it follows; after a lost connection it is never repeated. */
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
  /** Reconnects when a command has had no answer for this long, in ms. */
  readonly hangTimeoutMs?: number
  /** Fails a command that takes longer, in ms. */
  readonly commandTimeoutMs?: number
}

/** A connection that reconnects by itself and logs each loss and recovery once. */
export function connect(purpose: keyof typeof clusterPurposes, options: ConnectionOptions): RedisClient {
  const client =
    options.target.kind === 'cluster' ? connectToCluster(purpose, options) : connectToServer(purpose, options)
  reportLosses(client, options)
  return client
}

/** A connection for pub/sub only; on a cluster, to any node that `client` knows. */
export function connectSubscriber(options: ConnectionOptions, client: RedisClient): Redis {
  const redis =
    client instanceof Cluster
      ? new ServerConnection({
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
  return new ServerConnection({
    ...serverOptions(purpose, options),
    ...place,
    db: target.database,
    retryStrategy: reconnectPause,
  })
}

function connectToCluster(purpose: keyof typeof clusterPurposes, options: ConnectionOptions): Cluster {
  return new ClusterConnection(options.target.endpoints, {
    ...clusterPurposes[purpose],
    redisOptions: serverOptions(purpose, options),
    clusterRetryStrategy: reconnectPause,
    slotsRefreshInterval: SLOTS_REFRESH_INTERVAL_MS,
    slotsRefreshTimeout: SLOTS_REFRESH_TIMEOUT_MS,
    // A certificate is issued for the name, not for the address.
    dnsLookup: (host, done) => done(null, host),
  })
}

/** Options of the connection to each server. */
function serverOptions(purpose: keyof typeof purposes, { target, ...options }: ConnectionOptions) {
  return {
    ...common,
    ...purposes[purpose],
    ...loginOptions(target),
    connectionName: options.name,
    socketTimeout: options.hangTimeoutMs,
    ...(options.commandTimeoutMs !== undefined && { commandTimeout: options.commandTimeoutMs }),
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
 * Leaves ioredis' failover detector off: an event that arrives while a connection looks up the new master ends that connection
 * for good. `master-watch.ts` finds another master instead, and the command timeout one that hangs.
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
