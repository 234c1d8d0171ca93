/** Creates everything that a front process needs: its connections, and with them both flows. */
import { setMaxListeners } from 'node:events'
import { Callers } from '../access/callers.ts'
import { watchEventLoop } from '../access/overload.ts'
import { RateLimitService } from '../check/envoy/rate-limit-service.ts'
import { RequestPolicies } from '../check/request-policies.ts'
import { heldMemory } from '../connections/held-memory.ts'
import { LargeRequests } from '../connections/large-requests.ts'
import { compilePolicy, DEFAULT_POLICY } from '../domain/policy.ts'
import { PolicyTable } from '../domain/policy-table.ts'
import { withDeadline } from '../lib/deadline.ts'
import { dropWhileClosing } from '../lib/drop-while-closing.ts'
import { shareRun } from '../lib/share-runs.ts'
import { version } from '../lib/version.ts'
import { CallLog } from '../observability/call-log.ts'
import { loggedKeys } from '../observability/logged-keys.ts'
import type { Logger } from '../observability/logger.ts'
import { type StoresState, storesState } from '../observability/stores-state.ts'
import type { OtherFronts } from '../processes/messages.ts'
import type { QueueObservation } from '../queues/queue-watch.ts'
import { connect, connectSubscriber } from '../redis/connection/connection.ts'
import { ConnectionName } from '../redis/connection/connection-names.ts'
import { reportQuotaRisks } from '../redis/connection/preflight.ts'
import { bucketTarget, configTarget, type RedisTarget } from '../redis/connection/redis-target.ts'
import { builtInDefinition, type Env } from '../settings/env.ts'
import type { Tracer } from '../tracing/tracer.ts'
import type { AppDependencies } from './app.ts'
import { composeCheck } from './compose-check.ts'
import { composeConfigChange } from './compose-config-change.ts'
import { composeInsight } from './compose-insight.ts'
import { causeFields } from './explain-store-failure.ts'
import { FrontMetrics } from './front-metrics.ts'
import type { GrpcDependencies } from './grpc-server.ts'
import { mayServeWithoutBucketStore, mayServeWithoutPolicies } from './leave-to-others.ts'
import type { RespDependencies } from './resp-server.ts'

/** Timeout of one call of the policy store, in ms, unless `REDIS_TIMEOUT_MS` is longer. */
const CONFIG_TIMEOUT_MS = 2_000

/**
 * A store that leaves a command unanswered for this long counts as hung; the connection is replaced. In ms, unless `REDIS_TIMEOUT_MS`
 * is longer.
 */
const HANG_TIMEOUT_MS = 1_000

/** How long a start waits for both stores, in ms; see also `mayServeWithoutPolicies`. */
const START_PATIENCE_MS = 2_000

/** How long bodies are still received after the drain of a stop, in ms, if `SHUTDOWN_TIMEOUT_MS` is long enough. */
const MAX_CLOSING_BODIES_MS = 1_500

/** How long a scrape waits for the queues, in ms. */
const SCRAPE_PATIENCE_MS = 500

/** The shortest interval between two inspections of the stores for `/health` and `/metrics`, in ms. */
const INSPECTION_INTERVAL_MS = 250

const CIRCUIT_STATES = { closed: 0, 'half-open': 1, open: 2 } as const

export interface Front {
  readonly app: Omit<AppDependencies, 'metrics' | 'health' | 'slots'>
  readonly resp: Omit<RespDependencies, 'slots'>
  readonly grpc: Omit<GrpcDependencies, 'slots'>
  readonly metrics: FrontMetrics
  /** Whether the process accepts requests, or another one of the instance does in its place. */
  isReady(): boolean
  /** The stores as this process sees them. It inspects them at most four times a second. */
  stores(): Promise<StoresState>
  /** Continues what earlier processes of the instance have observed of the queues of changes. */
  resumeQueueWatch(observations: readonly QueueObservation[]): void
  /** Continues the count of front processes on all machines: in an outage of the bucket store, a new process cannot count them. */
  resumeFrontCount(count: number): void
  /**
   * Starts both flows. Resolves when the policies are loaded and the bucket store has answered, or when the process may serve without.
   * @param askOthers what other front processes of the instance have
   * @throws {LayoutMismatch}
   */
  start(askOthers: () => Promise<OtherFronts>): Promise<void>
  /** The process will end. @param isReplaced whether another one of the instance takes its place, so that the instance stays ready */
  drain(isReplaced: boolean): void
  /** The process is about to close: waits for outcomes of changes end, and what waits long for its turn is refused. */
  endWaits(): void
  /** Closes every connection. */
  close(): Promise<void>
}

interface FrontOptions {
  /** Called with the reason when a circuit to the bucket store opens, or was open when the process began to serve. */
  readonly circuitOpened?: (reason: string) => void
  /** Called at the first quota: a policy in force has it, or it came with a call. */
  readonly quotaFound?: () => void
  /** Called once the policies are loaded. */
  readonly policiesLoaded?: () => void
  /** Called with the last observations of the queues of changes, every two seconds. */
  readonly queuesInspected?: (observations: readonly QueueObservation[]) => void
  /** Called with the number of front processes on all machines, every two seconds while the bucket store is available. */
  readonly frontsCounted?: (count: number) => void
  /** Absent if nothing is traced. */
  readonly tracer?: Tracer | undefined
}

export function composeFront(
  env: Env,
  logger: Logger,
  {
    circuitOpened = () => undefined,
    quotaFound = () => undefined,
    policiesLoaded = () => undefined,
    queuesInspected = () => undefined,
    frontsCounted = () => undefined,
    tracer,
  }: FrontOptions = {},
): Front {
  const tracing = tracer && { tracer, spans: new WeakMap() }
  const hangTimeoutMs = Math.max(HANG_TIMEOUT_MS, env.REDIS_TIMEOUT_MS)
  const { bucketRedis, configRedis, subscriber } = openConnections(env, hangTimeoutMs, logger)
  const drain = new AbortController()
  const closing = new AbortController()
  const stop = new AbortController()
  // Every part of the process listens to them. By default, Node.js warns of more than ten.
  setMaxListeners(0, drain.signal, closing.signal)
  const policies = new PolicyTable(compilePolicy(DEFAULT_POLICY, 0, builtInDefinition(env)), () => {
    quotaFound()
    // A store that cannot be inspected is reported by the circuit breaker.
    reportQuotaRisks(bucketTarget(env), env, { logger, signal: stop.signal }).catch(() => undefined)
  })
  const metrics: FrontMetrics = new FrontMetrics({
    policies: () => policies.size,
    circuitState: () => CIRCUIT_STATES[checks.store.circuit],
    isConfigStoreUp: async () => (await inspectConfigStore()) === undefined,
    queueJobs: () => withDeadline(changes.queue.countJobs(), SCRAPE_PATIENCE_MS),
    queueWaitsMs: () => changes.queueWatch.waitsMs,
  })
  const loggedKey = loggedKeys(env.LOG_KEYS, env.LOG_KEY_SECRET)
  const shared = { env, policies, observer: metrics, tracing, logger, loggedKey }
  const insight = composeInsight({ redis: bucketRedis, closing: closing.signal, ...shared })
  const checks = composeCheck({
    redis: bucketRedis,
    hangTimeoutMs,
    insight: insight.checks,
    circuitOpened,
    frontsCounted,
    catchUp: partition => changes.catchUp(partition),
    ...shared,
  })
  dropWhileClosing(closing.signal, () => checks.batchTurns.dropWaiting())
  const changes = composeConfigChange({ redis: configRedis, subscriber, policiesLoaded, queuesInspected, ...shared })

  const inspectConfigStore = shareRun(() => changes.inspectStore(), INSPECTION_INTERVAL_MS)
  const inspectStores = async () => {
    const [store, configStore] = await Promise.all([checks.inspectStore(), inspectConfigStore()])
    return storesState(checks.store.circuit, { store, configStore, queue: changes.queueWatch.reason })
  }

  /** What every protocol uses. */
  const common = {
    checker: checks.checker,
    batchTurns: checks.batchTurns,
    callers: new Callers({
      adminTokens: env.ADMIN_TOKENS,
      checkTokens: env.CHECK_TOKENS,
      limits: checks.adminLimits,
    }),
    isOverloaded: watchEventLoop(env.EVENT_LOOP_LAG_MS),
    calls: new CallLog({ logger, loggedKey, causeFields }),
    largeRequests: new LargeRequests(closing.signal),
    memory: heldMemory(),
    drain: drain.signal,
    closing: closing.signal,
    tracing,
  }
  const requestPolicies = new RequestPolicies(policies)
  const rateLimits = new RateLimitService({ ...common, policies, requestPolicies, fieldStyle: env.RATELIMIT_HEADERS })
  return {
    app: {
      ...common,
      groupChecker: checks.groupChecker,
      reservations: checks.reservations,
      rateLimits,
      buckets: checks.buckets,
      fieldStyle: env.RATELIMIT_HEADERS,
      submitter: changes.submitter,
      reader: changes.reader,
      statuses: changes.statuses,
      staging: changes.staging,
      explainFailure: changes.explainFailure,
      importMaxBytes: env.IMPORT_MAX_BYTES,
      trustedProxies: env.TRUST_PROXY,
      insight: insight.routes,
      board: { boardQueues: () => changes.queue.queues() },
      keepAliveTimeoutMs: env.KEEP_ALIVE_TIMEOUT_MS,
      closingBodiesMs: Math.min(MAX_CLOSING_BODIES_MS, env.SHUTDOWN_TIMEOUT_MS / 5),
      logger,
    },
    resp: { ...common, requestPolicies, observer: metrics.respCommands, version },
    grpc: { ...common, stop: stop.signal, service: rateLimits, observer: metrics.grpcRequests, logger },
    metrics,
    isReady: () => changes.isLoaded() && !stop.signal.aborted,
    stores: shareRun(inspectStores, INSPECTION_INTERVAL_MS),
    resumeQueueWatch: observations => changes.queueWatch.resume(observations),
    resumeFrontCount: count => checks.resumeFrontCount(count),
    start: async askOthers => {
      const { isLoaded, loadedSteps } = changes
      const mayServe = mayServeWithoutPolicies({
        patienceMs: START_PATIENCE_MS,
        othersKnowPolicies: async () => (await askOthers()).knowPolicies,
        loadedSteps,
        isLoaded,
        logger,
      })
      await Promise.all([changes.start(mayServe), checks.start(performance.now() + START_PATIENCE_MS)])
      await mayServeWithoutBucketStore({
        othersReachStore: async () => (await askOthers()).reachStore,
        isReached: async () => (await checks.inspectStore()) === undefined,
        logger,
      })
      await checks.serve()
      insight.start()
    },
    drain: isReplaced => {
      drain.abort()
      if (isReplaced) return
      closing.abort()
      stop.abort()
    },
    endWaits: () => {
      closing.abort()
      changes.endWaits()
    },
    close: async () => {
      await Promise.all([insight.close(), checks.close(), changes.close()])
      for (const redis of [bucketRedis, configRedis, subscriber]) redis.disconnect()
    },
  }
}

function openConnections(env: Env, hangTimeoutMs: number, logger: Logger) {
  const connection = (name: string, target: RedisTarget) => ({
    target,
    name,
    hangTimeoutMs,
    logger,
  })
  const bucketRedis = connect('request', connection(ConnectionName.buckets, bucketTarget(env)))
  const configRedis = connect('request', {
    ...connection(ConnectionName.config, configTarget(env)),
    commandTimeoutMs: Math.max(CONFIG_TIMEOUT_MS, env.REDIS_TIMEOUT_MS),
  })
  const subscriber = connectSubscriber(connection(ConnectionName.subscriber, configTarget(env)), configRedis)
  return { bucketRedis, configRedis, subscriber }
}
