/** Connects the ports of the check flow to their adapters. */
import { Cluster } from 'ioredis'
import type { AdminLimits } from '../access/callers.ts'
import { BatchTurns } from '../check/batch-turns.ts'
import { checkQueue } from '../check/check-queue.ts'
import { Checker } from '../check/checker.ts'
import type { Circuit } from '../check/circuit-breaker.ts'
import { CircuitBreakerStore } from '../check/circuit-breaker-store.ts'
import { DenialCache } from '../check/denial-cache.ts'
import { GroupChecker } from '../check/group-checker.ts'
import { LiveBuckets } from '../check/live-buckets.ts'
import { LocalBuckets } from '../check/local-buckets.ts'
import { LogRereads } from '../check/log-rereads.ts'
import { OutageClock } from '../check/outage-clock.ts'
import type { OpenQueue } from '../check/pending-check.ts'
import { PolicyLookup } from '../check/policy-lookup.ts'
import type { BucketShard, CheckObserver, KeyStore, ReservationObserver } from '../check/ports.ts'
import { ReservationQueue } from '../check/reservation-queue.ts'
import { Reservations } from '../check/reservations.ts'
import { ShardedQueue } from '../check/sharded-queue.ts'
import { ShardedStore } from '../check/sharded-store.ts'
import { haveOneHashTag } from '../domain/partition.ts'
import type { PolicyTable } from '../domain/policy-table.ts'
import type { ReservationId } from '../domain/reservation-id.ts'
import { isFulfilled } from '../lib/is-fulfilled.ts'
import type { LoggedKey } from '../observability/logged-keys.ts'
import type { Logger } from '../observability/logger.ts'
import type { ReplyReport } from '../redis/buckets/check-reply.ts'
import { ClusterBuckets } from '../redis/buckets/cluster-buckets.ts'
import { prepareLimits } from '../redis/buckets/encoded-limits.ts'
import { Heartbeats } from '../redis/buckets/heartbeats.ts'
import type { ClusterObserver } from '../redis/buckets/master-buckets.ts'
import { RedisBucketStore } from '../redis/buckets/redis-bucket-store.ts'
import type { RedisClient } from '../redis/connection/connection.ts'
import { reasonOf as inPlainWords } from '../redis/connection/connection-report.ts'
import { failureReasonOf, refusesWrites } from '../redis/connection/failure-reason.ts'
import { watchReplies } from '../redis/connection/watch-replies.ts'
import { BucketKeys } from '../redis/keys.ts'
import type { Env } from '../settings/env.ts'
import type { Tracing } from '../tracing/tracer.ts'
import { adminLimits } from './admin-limits.ts'
import { awaitBucketStore } from './await-bucket-store.ts'
import { bothObserve, bothObserveEnds, type InsightOfChecks } from './both-observe.ts'
import { type ReplyObserver, replyReport } from './reply-report.ts'
import { TracedKeyStore } from './traced-key-store.ts'

/** Interval at which full local buckets are dropped, in ms. */
const LOCAL_SWEEP_INTERVAL_MS = 10_000

interface CheckOptions {
  readonly redis: RedisClient
  /** How long after a probe its connection is examined, if it was not answered in time; in ms. */
  readonly hangTimeoutMs: number
  readonly env: Env
  readonly policies: PolicyTable
  /** Reads the policies' log of a partition up to its end. */
  catchUp(partition: number): Promise<void>
  readonly observer: CheckObserver & ReplyObserver & ClusterObserver & { readonly reservations: ReservationObserver }
  readonly insight: InsightOfChecks
  /** A circuit to the bucket store has opened, or was open when the process began to serve. */
  circuitOpened(reason: string): void
  /** The front processes on all machines have been counted. */
  frontsCounted(count: number): void
  /** Absent if nothing is traced. */
  readonly tracing: Tracing | undefined
  readonly logger: Logger
  readonly loggedKey: LoggedKey
}

export interface CheckParts {
  readonly checker: Checker
  /** When batches may be decided. */
  readonly batchTurns: BatchTurns
  readonly groupChecker: GroupChecker
  readonly reservations: Reservations
  readonly buckets: LiveBuckets
  readonly adminLimits: AdminLimits
  /** The circuit to the bucket store, and why it is not closed. */
  readonly store: { readonly circuit: Circuit; readonly reason: string | undefined }
  /** Why the bucket store is unavailable; `undefined` if it is available. */
  inspectStore(): Promise<string | undefined>
  /** Continues the count of front processes of an earlier process of the instance. */
  resumeFrontCount(count: number): void
  /** Resolves when the store has answered, or at the deadline, by `performance.now()`. */
  start(deadlineMs: number): Promise<void>
  /** The process serves from now on, so it has a share of the limits in an outage. */
  serve(): Promise<void>
  close(): Promise<void>
}

export function composeCheck(options: CheckOptions): CheckParts {
  const { redis, env, policies, observer, tracing, logger, loggedKey } = options
  let serves = false
  const heartbeats = new Heartbeats({ redis, keyPrefix: env.KEY_PREFIX, onCounted: options.frontsCounted, logger })
  const now = () => performance.now()
  const sharing = {
    processes: () => Math.max(env.WEB_CONCURRENCY, heartbeats.counted),
    outageOf: (key: string) => storeOf(key).outage,
    now,
    calendarNow: Date.now,
  }
  const localBuckets = new LocalBuckets(sharing)
  const ownLocalBuckets = new LocalBuckets(sharing)
  const reasonOf = failureReasonOf(redis)
  const { store, openQueue, storeOf, storeOfReservation, canGoTogether } = guardedBuckets(redis, {
    keys: new BucketKeys(env.KEY_PREFIX),
    report: replyReport({
      observer,
      expired: (key, count) => observer.reservations.expired({ key, policy: policies.match(key) }, count),
      logger,
      loggedKey,
    }),
    observer,
    logger,
    timeoutMs: env.REDIS_TIMEOUT_MS,
    guard: (part, shard) =>
      new CircuitBreakerStore(tracing === undefined ? part : new TracedKeyStore(part, tracing, shard?.name), {
        timeoutMs: env.REDIS_TIMEOUT_MS,
        hangTimeoutMs: options.hangTimeoutMs,
        reasonOf,
        explain: inPlainWords,
        refusesWrites,
        watchReplies: () => watchReplies(redis, shard?.name),
        onOpened: reason => serves && options.circuitOpened(reason),
        outage: new OutageClock(now, env.REDIS_TIMEOUT_MS),
        ...(shard && { probeKey: () => shard.probeKey }),
        observer,
        logger: shard ? logger.child({ master: shard.name }) : logger,
      }),
  })
  let closed = false
  const isStoreUp = () => isFulfilled(store.probe())
  // A new connection need not wait for the next probe.
  redis.on('ready', () => void isStoreUp())

  const sweeper = setInterval(() => {
    localBuckets.sweep()
    ownLocalBuckets.sweep()
  }, LOCAL_SWEEP_INTERVAL_MS).unref()

  const rereads = new LogRereads({ catchUp: options.catchUp, timeoutMs: env.REDIS_TIMEOUT_MS, now })
  const callers = bothObserve(observer, options.insight)
  const shared = {
    policies: new PolicyLookup(policies, partition => rereads.read(partition)),
    denialCache: new DenialCache(now),
    localBuckets,
    onStoreFailure: env.ON_STORE_FAILURE,
  }
  const queue = new ReservationQueue({ storeOf, storeOfReservation, timeoutMs: env.REDIS_TIMEOUT_MS })
  const groupChecker = new GroupChecker({
    ...shared,
    prepare: prepareLimits,
    canGoTogether,
    queue,
    observer: callers,
    maxWaiting: env.MAX_WAITING_CHECKS,
  })
  return {
    groupChecker,
    reservations: new Reservations({
      ...shared,
      prepare: prepareLimits,
      groups: groupChecker,
      queue,
      observer: bothObserveEnds(observer.reservations, options.insight),
    }),
    checker: new Checker({
      ...shared,
      prepare: prepareLimits,
      openQueue,
      observer: callers,
      maxWaiting: env.MAX_WAITING_CHECKS,
    }),
    batchTurns: new BatchTurns(env.MAX_WAITING_CHECKS),
    buckets: new LiveBuckets({ ...shared, storeOf, queue }),
    adminLimits: adminLimits({
      openQueue,
      localBuckets: ownLocalBuckets,
      capacity: env.ADMIN_CAPACITY,
      refillPerSecond: env.ADMIN_REFILL_PER_SECOND,
      maxWaiting: env.MAX_WAITING_CHECKS,
    }),
    store,
    inspectStore: () => store.examine(),
    resumeFrontCount: count => heartbeats.resume(count),
    start: async deadlineMs => {
      await awaitBucketStore({
        redis,
        deadlineMs,
        isAvailable: async () => (await store.examine()) === undefined,
        probe: isStoreUp,
        isClosed: () => closed,
      })
      await heartbeats.observe()
    },
    serve: async () => {
      if (closed) return
      serves = true
      if (store.reason !== undefined) options.circuitOpened(store.reason)
      await heartbeats.start()
    },
    close: async () => {
      closed = true
      clearInterval(sweeper)
      store.close()
      await heartbeats.stop()
    },
  }
}

interface GuardedBucketsOptions {
  readonly keys: BucketKeys
  readonly report: ReplyReport
  readonly observer: ClusterObserver
  readonly logger: Logger
  readonly timeoutMs: number
  guard(part: KeyStore, shard?: BucketShard): CircuitBreakerStore
}

/** The bucket store with its circuit breaker, and the queue in front of it; on a cluster, one of each for each master. */
function guardedBuckets(redis: RedisClient, { timeoutMs, guard, ...options }: GuardedBucketsOptions) {
  if (redis instanceof Cluster) {
    const store = new ShardedStore(new ClusterBuckets(redis, options), shard => guard(shard, shard))
    const openQueue: OpenQueue = onReading => new ShardedQueue(store, timeoutMs, onReading)
    return {
      store,
      openQueue,
      storeOf: (key: string) => store.breakerFor(key),
      storeOfReservation: (id: ReservationId) => store.breakerForReservation(id),
      canGoTogether: haveOneHashTag,
    }
  }
  const store = guard(new RedisBucketStore(redis, options.keys, options.report))
  const openQueue: OpenQueue = onReading => checkQueue(store, timeoutMs, onReading)
  return { store, openQueue, storeOf: () => store, storeOfReservation: () => store, canGoTogether: () => true }
}
