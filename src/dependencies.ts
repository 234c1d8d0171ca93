/** The one place where the front's adapters meet the ports of its flows. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from 'ioredis'
import { adminLimits } from './admin-limits.ts'
import type { AppDependencies } from './app.ts'
import { CheckBatcher, type OpenQueue } from './check/batcher.ts'
import { Checker } from './check/check.ts'
import { DeniedCache } from './check/denied-cache.ts'
import { GuardedStore } from './check/guarded-store.ts'
import { LocalBuckets } from './check/local-buckets.ts'
import type { BucketShard, BucketStore } from './check/ports.ts'
import { ShardedQueue } from './check/sharded-queue.ts'
import { ShardedStore } from './check/sharded-store.ts'
import { CommandStatuses } from './config-change/command-status.ts'
import { PolicyFollower } from './config-change/follow.ts'
import { NameReserver } from './config-change/idempotency.ts'
import { OutcomeWaiters } from './config-change/outcome-waiters.ts'
import { CommandSubmitter } from './config-change/submit.ts'
import { partitionOfCommand } from './domain/commands.ts'
import { compilePolicy, DEFAULT_POLICY } from './domain/policy.ts'
import { PolicyTable } from './domain/policy-table.ts'
import { builtInDefinition, type Env } from './env.ts'
import { watchEventLoop } from './http/overload.ts'
import { loggedKeys } from './log-keys.ts'
import type { Logger } from './logger.ts'
import { FrontMetrics } from './metrics.ts'
import { BullCommandQueue } from './queues/command-queue.ts'
import { RedisAnnouncements } from './redis/announcements.ts'
import { RedisBucketStore } from './redis/bucket-store.ts'
import { ClusterBuckets } from './redis/cluster-buckets.ts'
import { RedisCommandLog } from './redis/command-log.ts'
import { RedisConfigStore } from './redis/config-store.ts'
import { connect, connectSubscriber, type RedisClient } from './redis/connection.ts'
import { RedisEventLog } from './redis/event-log.ts'
import { failureReason } from './redis/failure-reason.ts'
import { Heartbeats } from './redis/heartbeats.ts'
import { RedisImportStaging } from './redis/import-staging.ts'
import { BucketKeys } from './redis/keys.ts'
import { claimLayout } from './redis/layout.ts'
import { bucketTarget, configTarget, type RedisTarget } from './redis/redis-target.ts'
import { RedisReservations } from './redis/reservations.ts'
import { isTransient } from './redis/transient.ts'
import { version } from './version.ts'

/** What one call of the config store may take, ms. */
const CONFIG_TIMEOUT_MS = 2_000

/** A store that answers nothing for so long is taken for hanging, and its connection is made anew, ms. */
const HANG_TIMEOUT_MS = 1_000

/** A start waits so long for both stores, ms; then it serves without them, by the built-in policy, until they are there. */
const START_PATIENCE_MS = 2_000
const PROBE_INTERVAL_MS = 20

/** A scrape waits so long for the queues, ms. */
const SCRAPE_PATIENCE_MS = 500

const CIRCUIT_STATES = { closed: 0, 'half-open': 1, open: 2 } as const

export interface Front {
  readonly app: Omit<AppDependencies, 'metrics'>
  readonly metrics: FrontMetrics
  /** Starts to follow the configuration. Resolves once both stores answered, or have been away for a while. @throws {LayoutMismatch} */
  start(): Promise<void>
  /** From now on the process says that it is not ready. */
  drain(): void
  /** From now on nobody waits for the outcome of a change. */
  endWaits(): void
  /** Closes every connection. */
  close(): Promise<void>
}

export function frontDependencies(env: Env, logger: Logger): Front {
  const { KEY_PREFIX: keyPrefix } = env
  const connection = (name: string, target: RedisTarget) => ({ target, name: `throttler-${name}`, logger })
  const bucketRedis = connect('request', {
    ...connection('buckets', bucketTarget(env)),
    hangTimeoutMs: Math.max(HANG_TIMEOUT_MS, env.REDIS_TIMEOUT_MS),
  })
  const configRedis = connect('request', {
    ...connection('config', configTarget(env)),
    commandTimeoutMs: CONFIG_TIMEOUT_MS,
    hangTimeoutMs: HANG_TIMEOUT_MS,
  })
  const subscriber = connectSubscriber(
    { ...connection('subscriber', configTarget(env)), hangTimeoutMs: HANG_TIMEOUT_MS },
    configRedis,
  )

  const builtIn = compilePolicy(DEFAULT_POLICY, 0, builtInDefinition(env))
  const table = new PolicyTable(builtIn)
  const metrics: FrontMetrics = new FrontMetrics({
    policies: () => table.size,
    circuitState: () => CIRCUIT_STATES[store.circuit],
    queueJobs: () => within(SCRAPE_PATIENCE_MS, queue.countJobs()),
  })

  const heartbeats = new Heartbeats(bucketRedis, keyPrefix)
  const sharing = {
    processes: () => Math.max(env.WEB_CONCURRENCY, heartbeats.counted),
    now: () => Math.floor(performance.now()),
  }
  const localBuckets = new LocalBuckets(sharing)
  const ownLocalBuckets = new LocalBuckets(sharing)
  const { store, openQueue } = guardedBuckets(bucketRedis, {
    keys: new BucketKeys(keyPrefix),
    timeoutMs: env.REDIS_TIMEOUT_MS,
    guard: (part, shard) =>
      new GuardedStore(part, {
        timeoutMs: env.REDIS_TIMEOUT_MS,
        reasonOf: failureReason,
        onReturn: () => {
          // Shares of what is still away count on.
          if (store.circuit !== 'closed') return
          localBuckets.forget()
          ownLocalBuckets.forget()
        },
        ...(shard && { probeKey: shard.probeKey }),
        observer: metrics,
        logger: shard ? logger.child({ master: shard.name }) : logger,
      }),
  })
  // Whoever is connected again need not wait for the next probe.
  bucketRedis.on('ready', () => void answers(store.probe()))
  const checker = new Checker({
    policies: table,
    store,
    openQueue,
    deniedCache: new DeniedCache(() => performance.now()),
    localBuckets,
    observer: metrics,
    onStoreFailure: env.ON_STORE_FAILURE,
    maxWaiting: env.MAX_WAITING_CHECKS,
  })

  const kept = { keyPrefix, retentionMs: env.COMMAND_RETENTION_MS }
  const reader = new RedisConfigStore(configRedis, keyPrefix)
  const staging = new RedisImportStaging(configRedis, kept)
  const queue = new BullCommandQueue(configRedis, keyPrefix)
  const statuses = new CommandStatuses(queue, new RedisCommandLog(configRedis, kept))
  const follower = new PolicyFollower({
    log: new RedisEventLog(configRedis, keyPrefix),
    table,
    observer: metrics,
    isTransient,
    logger,
  })
  /** A caller that is told how its command ended finds that this process obeys it. */
  const findObeyedEnding = async (commandId: string) => {
    const ending = await statuses.ending(commandId)
    if (ending !== undefined) await follower.catchUp(partitionOfCommand(commandId) ?? 0)
    return ending
  }
  const waiters = new OutcomeWaiters({ find: findObeyedEnding })
  const submitter = new CommandSubmitter({
    queue,
    waiters,
    names: new NameReserver(new RedisReservations(configRedis, kept)),
    staging,
    findEnding: findObeyedEnding,
  })
  const announcements = new RedisAnnouncements(subscriber, keyPrefix)

  let draining = false
  let closed = false
  const state = {
    isReady: () => follower.isLoaded && !draining,
    stores: async () => {
      const [isBucketStoreUp, isConfigStoreUp] = await Promise.all([
        answers(store.probe()),
        answers(configRedis.ping()),
      ])
      return {
        store: upOrDown(isBucketStoreUp),
        configStore: upOrDown(isConfigStoreUp),
        circuit: store.circuit,
        ...(store.reason !== undefined && { reason: store.reason }),
      }
    },
  }

  return {
    app: {
      checker,
      fieldStyle: env.RATELIMIT_HEADERS,
      submitter,
      reader,
      statuses,
      staging,
      importMaxBytes: env.IMPORT_MAX_BYTES,
      auth: {
        adminTokens: env.ADMIN_TOKENS,
        checkTokens: env.CHECK_TOKENS,
        limits: adminLimits({
          store,
          openQueue,
          localBuckets: ownLocalBuckets,
          capacity: env.ADMIN_CAPACITY,
          refillPerSecond: env.ADMIN_REFILL_PER_SECOND,
          maxWaiting: env.MAX_WAITING_CHECKS,
        }),
      },
      trustedProxies: env.TRUST_PROXY,
      health: { state, version },
      board: { boardQueues: () => queue.queues() },
      isDraining: () => draining,
      isBehind: watchEventLoop(env.EVENT_LOOP_LAG_MS),
      keepAliveTimeoutMs: env.KEEP_ALIVE_TIMEOUT_MS,
      logger,
      loggedKey: loggedKeys(env.LOG_KEYS, env.LOG_KEY_SECRET),
    },
    metrics,
    start: async () => {
      follower.start()
      announcements.subscribe({
        announced: ({ partition, ending }) => {
          follower.catchUp(partition).then(
            () => ending && waiters.settle(ending),
            () => undefined,
          )
        },
        reconnected: () => {
          follower.catchUpAll()
          waiters.lookAll()
        },
      })
      const deadline = performance.now() + START_PATIENCE_MS
      await Promise.race([follower.firstLoad, sleep(START_PATIENCE_MS, undefined, { ref: false })])
      if (follower.isLoaded) await claimLayout(configRedis, keyPrefix)
      // The first call also makes Redis compile the script; no caller should have to wait for that.
      while (!closed && performance.now() < deadline && !(await answers(store.probe()))) await sleep(PROBE_INTERVAL_MS)
      await heartbeats.start()
    },
    drain: () => {
      draining = true
    },
    endWaits: () => waiters.end(),
    close: async () => {
      closed = true
      follower.stop()
      store.close()
      await heartbeats.stop()
      await queue.close()
      for (const redis of [bucketRedis, configRedis, subscriber]) redis.disconnect()
    },
  }
}

interface GuardedBucketsOptions {
  readonly keys: BucketKeys
  readonly timeoutMs: number
  guard(part: BucketStore, shard?: BucketShard): GuardedStore
}

/** The store of buckets behind its circuit, and where checks wait for it; on a cluster, for each master by itself. */
function guardedBuckets(redis: RedisClient, { keys, timeoutMs, guard }: GuardedBucketsOptions) {
  if (redis instanceof Cluster) {
    const store = new ShardedStore(new ClusterBuckets(redis, keys), shard => guard(shard, shard))
    const openQueue: OpenQueue = answered => new ShardedQueue(store, timeoutMs, answered)
    return { store, openQueue }
  }
  const store = guard(new RedisBucketStore(redis, keys))
  const openQueue: OpenQueue = answered => new CheckBatcher(store, timeoutMs, answered)
  return { store, openQueue }
}

/** @throws when it takes longer than `ms` */
async function within<T>(ms: number, asked: Promise<T>): Promise<T> {
  const late = sleep(ms, undefined, { ref: false }).then(() => {
    throw new Error(`no answer within ${ms} ms`)
  })
  return Promise.race([asked, late])
}

async function answers(asked: Promise<unknown>): Promise<boolean> {
  return asked.then(
    () => true,
    () => false,
  )
}

function upOrDown(isUp: boolean): 'up' | 'down' {
  return isUp ? 'up' : 'down'
}
