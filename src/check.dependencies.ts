/** The one place where the adapters of checks meet the ports of their flow. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from 'ioredis'
import { adminLimits } from './admin-limits.ts'
import { answers } from './answers.ts'
import { CheckBatcher, type OpenQueue } from './check/batcher.ts'
import { Checker } from './check/check.ts'
import { DeniedCache } from './check/denied-cache.ts'
import { type Circuit, GuardedStore } from './check/guarded-store.ts'
import { LocalBuckets } from './check/local-buckets.ts'
import { OutageClock } from './check/outage-clock.ts'
import type { BucketShard, BucketStore, CheckObserver } from './check/ports.ts'
import { ShardedQueue } from './check/sharded-queue.ts'
import { ShardedStore } from './check/sharded-store.ts'
import type { PolicyTable } from './domain/policy-table.ts'
import type { Env } from './env.ts'
import type { AdminLimits } from './http/auth.ts'
import type { LoggedKey } from './log-keys.ts'
import type { Logger } from './logger.ts'
import { type MalformedBucketObserver, malformedBucketReport } from './malformed-buckets.ts'
import { RedisBucketStore } from './redis/bucket-store.ts'
import type { OnMalformedBucket } from './redis/check-call.ts'
import { ClusterBuckets } from './redis/cluster-buckets.ts'
import type { RedisClient } from './redis/connection.ts'
import { failureReasonOf, refusesWrites } from './redis/failure-reason.ts'
import { Heartbeats } from './redis/heartbeats.ts'
import { BucketKeys } from './redis/keys.ts'

const PROBE_INTERVAL_MS = 20

/** How often local buckets that are full again are dropped, in ms. */
const LOCAL_SWEEP_INTERVAL_MS = 10_000

interface CheckOptions {
  readonly redis: RedisClient
  readonly env: Env
  readonly policies: PolicyTable
  readonly observer: CheckObserver & MalformedBucketObserver
  /** A circuit to the store opened. */
  circuitOpened(reason: string): void
  readonly logger: Logger
  readonly loggedKey: LoggedKey
}

export interface CheckParts {
  readonly checker: Checker
  readonly adminLimits: AdminLimits
  /** The circuit to the store of buckets, and why it is not closed. */
  readonly store: { readonly circuit: Circuit; readonly reason: string | undefined }
  /** Why the store is unavailable; `undefined` if it is not. */
  examineStore(): Promise<string | undefined>
  /** Resolves once the store answered, or has not until the deadline, by `performance.now()`. */
  start(deadlineMs: number): Promise<void>
  close(): Promise<void>
}

export function checkDependencies(options: CheckOptions): CheckParts {
  const { redis, env, policies, observer, logger, loggedKey } = options
  const heartbeats = new Heartbeats(redis, env.KEY_PREFIX)
  const now = () => performance.now()
  const outages = new OutageClock(now)
  const sharing = {
    processes: () => Math.max(env.WEB_CONCURRENCY, heartbeats.counted),
    outageMs: () => outages.elapsedMs,
    pauseMs: () => outages.pauseMs,
    now,
  }
  const localBuckets = new LocalBuckets(sharing)
  const ownLocalBuckets = new LocalBuckets(sharing)
  const reasonOf = failureReasonOf(redis)
  const { store, openQueue } = guardedBuckets(redis, {
    keys: new BucketKeys(env.KEY_PREFIX),
    onMalformed: malformedBucketReport({ observer, logger, loggedKey }),
    timeoutMs: env.REDIS_TIMEOUT_MS,
    guard: (part, shard) =>
      new GuardedStore(part, {
        timeoutMs: env.REDIS_TIMEOUT_MS,
        reasonOf,
        refusesWrites,
        onOpened: reason => {
          outages.start()
          options.circuitOpened(reason)
        },
        onRecovered: () => {
          // Another master may still be unavailable.
          if (store.circuit === 'closed') outages.stop()
        },
        ...(shard && { probeKey: () => shard.probeKey }),
        observer,
        logger: shard ? logger.child({ master: shard.name }) : logger,
      }),
  })
  const isStoreUp = () => answers(store.probe())
  // Whoever is connected again need not wait for the next probe.
  redis.on('ready', () => void isStoreUp())

  const sweeper = setInterval(() => {
    localBuckets.sweep()
    ownLocalBuckets.sweep()
  }, LOCAL_SWEEP_INTERVAL_MS).unref()

  let closed = false
  return {
    checker: new Checker({
      policies,
      store,
      openQueue,
      deniedCache: new DeniedCache(now),
      localBuckets,
      observer,
      onStoreFailure: env.ON_STORE_FAILURE,
      maxWaiting: env.MAX_WAITING_CHECKS,
    }),
    adminLimits: adminLimits({
      store,
      openQueue,
      localBuckets: ownLocalBuckets,
      capacity: env.ADMIN_CAPACITY,
      refillPerSecond: env.ADMIN_REFILL_PER_SECOND,
      maxWaiting: env.MAX_WAITING_CHECKS,
    }),
    store,
    examineStore: () => store.examine(),
    start: async deadlineMs => {
      // The first call also makes Redis compile the script; no caller should have to wait for that.
      while (!closed && performance.now() < deadlineMs && !(await isStoreUp())) await sleep(PROBE_INTERVAL_MS)
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
  readonly onMalformed: OnMalformedBucket
  readonly timeoutMs: number
  guard(part: BucketStore, shard?: BucketShard): GuardedStore
}

/** The store of buckets behind its circuit, and where checks wait for it; on a cluster, for each master by itself. */
function guardedBuckets(redis: RedisClient, { keys, onMalformed, timeoutMs, guard }: GuardedBucketsOptions) {
  if (redis instanceof Cluster) {
    const store = new ShardedStore(new ClusterBuckets(redis, keys, onMalformed), shard => guard(shard, shard))
    const openQueue: OpenQueue = answered => new ShardedQueue(store, timeoutMs, answered)
    return { store, openQueue }
  }
  const store = guard(new RedisBucketStore(redis, keys, onMalformed))
  const openQueue: OpenQueue = answered => new CheckBatcher(store, timeoutMs, answered)
  return { store, openQueue }
}
