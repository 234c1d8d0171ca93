/** Makes all that a front process depends on: its connections, and upon them what checks and changes need. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { AppDependencies } from './app.ts'
import { checkDependencies } from './check.dependencies.ts'
import { configChangeDependencies } from './config-change.dependencies.ts'
import { compilePolicy, DEFAULT_POLICY } from './domain/policy.ts'
import { PolicyTable } from './domain/policy-table.ts'
import { builtInDefinition, type Env } from './env.ts'
import { type StoresState, storesState } from './health.ts'
import { watchEventLoop } from './http/overload.ts'
import { loggedKeys } from './log-keys.ts'
import type { Logger } from './logger.ts'
import { FrontMetrics } from './metrics.ts'
import { connect, connectSubscriber } from './redis/connection.ts'
import { ConnectionName } from './redis/connection-names.ts'
import { bucketTarget, configTarget, type RedisTarget } from './redis/redis-target.ts'
import { shareRun } from './shared-runs.ts'

/** What one call of the config store may take, ms. */
const CONFIG_TIMEOUT_MS = 2_000

/** A store that answers nothing for so long is taken for hanging, and its connection is made anew, ms. */
const HANG_TIMEOUT_MS = 1_000

/** A start waits so long for both stores, ms; then it serves without them, by the built-in policy, until they are there. */
const START_PATIENCE_MS = 2_000

/** A scrape waits so long for the queues, ms. */
const SCRAPE_PATIENCE_MS = 500

/** The shortest time from one look at the stores for `/health` to the next, in ms. */
const HEALTH_INTERVAL_MS = 250

const CIRCUIT_STATES = { closed: 0, 'half-open': 1, open: 2 } as const

export interface Front {
  readonly app: Omit<AppDependencies, 'metrics' | 'health'>
  readonly metrics: FrontMetrics
  /** Whether requests may be sent here. */
  isReady(): boolean
  /** How this process sees its stores, which it asks at most four times a second. */
  stores(): Promise<StoresState>
  /** Starts to follow the configuration. Resolves once both stores answered, or have been away for a while. @throws {LayoutMismatch} */
  start(): Promise<void>
  /** From now on the process says that it is not ready. */
  drain(): void
  /** From now on nobody waits for the outcome of a change. */
  endWaits(): void
  /** Closes every connection. */
  close(): Promise<void>
}

/** @param circuitOpened hears of each circuit to the bucket store that opens, and why */
export function frontDependencies(
  env: Env,
  logger: Logger,
  circuitOpened: (reason: string) => void = () => undefined,
): Front {
  const { bucketRedis, configRedis, subscriber } = openConnections(env, logger)
  const policies = new PolicyTable(compilePolicy(DEFAULT_POLICY, 0, builtInDefinition(env)))
  const metrics: FrontMetrics = new FrontMetrics({
    policies: () => policies.size,
    circuitState: () => CIRCUIT_STATES[checks.store.circuit],
    queueJobs: () => within(SCRAPE_PATIENCE_MS, changes.queue.countJobs()),
  })
  const loggedKey = loggedKeys(env.LOG_KEYS, env.LOG_KEY_SECRET)
  const shared = { env, policies, observer: metrics, logger, loggedKey }
  const checks = checkDependencies({ redis: bucketRedis, circuitOpened, ...shared })
  const changes = configChangeDependencies({ redis: configRedis, subscriber, ...shared })

  let draining = false
  const examineStores = async () => {
    const [store, configStore] = await Promise.all([checks.examineStore(), changes.examineStore()])
    return storesState(checks.store.circuit, { store, configStore, queue: changes.queueWatch.reason })
  }

  return {
    app: {
      checker: checks.checker,
      fieldStyle: env.RATELIMIT_HEADERS,
      submitter: changes.submitter,
      reader: changes.reader,
      statuses: changes.statuses,
      staging: changes.staging,
      importMaxBytes: env.IMPORT_MAX_BYTES,
      auth: { adminTokens: env.ADMIN_TOKENS, checkTokens: env.CHECK_TOKENS, limits: checks.adminLimits },
      trustedProxies: env.TRUST_PROXY,
      board: { boardQueues: () => changes.queue.queues() },
      isDraining: () => draining,
      isBehind: watchEventLoop(env.EVENT_LOOP_LAG_MS),
      onConnectionRefused: () => metrics.connectionRefused(),
      keepAliveTimeoutMs: env.KEEP_ALIVE_TIMEOUT_MS,
      logger,
      loggedKey,
    },
    metrics,
    isReady: () => changes.isLoaded() && !draining,
    stores: shareRun(examineStores, HEALTH_INTERVAL_MS),
    start: async () => {
      const deadlineMs = performance.now() + START_PATIENCE_MS
      await changes.start(START_PATIENCE_MS)
      await checks.start(deadlineMs)
    },
    drain: () => {
      draining = true
    },
    endWaits: () => changes.endWaits(),
    close: async () => {
      await Promise.all([checks.close(), changes.close()])
      for (const redis of [bucketRedis, configRedis, subscriber]) redis.disconnect()
    },
  }
}

function openConnections(env: Env, logger: Logger) {
  const connection = (name: string, target: RedisTarget) => ({
    target,
    name,
    hangTimeoutMs: HANG_TIMEOUT_MS,
    logger,
  })
  const bucketRedis = connect('request', {
    ...connection(ConnectionName.buckets, bucketTarget(env)),
    hangTimeoutMs: Math.max(HANG_TIMEOUT_MS, env.REDIS_TIMEOUT_MS),
  })
  const configRedis = connect('request', {
    ...connection(ConnectionName.config, configTarget(env)),
    commandTimeoutMs: CONFIG_TIMEOUT_MS,
  })
  const subscriber = connectSubscriber(connection(ConnectionName.subscriber, configTarget(env)), configRedis)
  return { bucketRedis, configRedis, subscriber }
}

/** @throws when it takes longer than `ms` */
async function within<T>(ms: number, asked: Promise<T>): Promise<T> {
  const late = sleep(ms, undefined, { ref: false }).then(() => {
    throw new Error(`no answer within ${ms} ms`)
  })
  return Promise.race([asked, late])
}
