/** Connects the ports of the change flow to their adapters, for a front process. */
import type { Redis } from 'ioredis'
import { DamageReport } from '../config-change/follow/damage-report.ts'
import { PoliciesInForce } from '../config-change/follow/policies-in-force.ts'
import { type FollowObserver, PolicyFollower } from '../config-change/follow/policy-follower.ts'
import { IdempotencyKeys } from '../config-change/idempotency-keys.ts'
import type { Announcement } from '../config-change/log-ports.ts'
import { CommandStatuses } from '../config-change/submit/command-statuses.ts'
import { CommandSubmitter } from '../config-change/submit/command-submitter.ts'
import { EnforcedResults } from '../config-change/submit/enforced-results.ts'
import { ResultWaiters } from '../config-change/submit/result-waiters.ts'
import { CONFIG_PARTITIONS } from '../domain/partition.ts'
import type { PolicyTable } from '../domain/policy-table.ts'
import type { Problem } from '../lib/errors.ts'
import { machineNow } from '../lib/machine-now.ts'
import type { LoggedKey } from '../observability/logged-keys.ts'
import type { Logger } from '../observability/logger.ts'
import { refusalReport } from '../observability/refusal-report.ts'
import { BullCommandQueue } from '../queues/command-queue.ts'
import { type QueueObservation, QueueWatch } from '../queues/queue-watch.ts'
import type { RedisClient } from '../redis/connection/connection.ts'
import { reasonOf } from '../redis/connection/connection-report.ts'
import { failureReasonOf } from '../redis/connection/failure-reason.ts'
import { configTarget } from '../redis/connection/redis-target.ts'
import { isTransient } from '../redis/connection/transient.ts'
import { RedisAnnouncements } from '../redis/policies/announcements.ts'
import { RedisCommandStore } from '../redis/policies/command-store.ts'
import { RedisEventLog } from '../redis/policies/event-log.ts'
import { RedisIdempotencyStore } from '../redis/policies/idempotency-store.ts'
import { RedisImportStaging } from '../redis/policies/import-staging.ts'
import { claimLayout, LayoutMismatch } from '../redis/policies/layout.ts'
import { RedisPolicyReader } from '../redis/policies/policy-reader.ts'
import { policyStoreInspection } from '../redis/policies/policy-store-inspection.ts'
import type { Env } from '../settings/env.ts'
import { inspectionTimeoutMs } from '../settings/inspection-timeout.ts'
import type { Tracing } from '../tracing/tracer.ts'
import { explainStoreFailure } from './explain-store-failure.ts'
import { tracedEnforcement } from './traced-enforcement.ts'

interface ConfigChangeOptions {
  readonly redis: RedisClient
  readonly subscriber: Redis
  readonly env: Env
  /** Kept up to date with the policy store. */
  readonly policies: PolicyTable
  readonly observer: FollowObserver
  /** Called once the policies are loaded. */
  readonly policiesLoaded: () => void
  /** Called with the last observations of the queues, every two seconds. */
  readonly queuesInspected: (observations: readonly QueueObservation[]) => void
  /** Absent if nothing is traced. */
  readonly tracing: Tracing | undefined
  readonly logger: Logger
  readonly loggedKey: LoggedKey
}

export interface ConfigChangeParts {
  readonly submitter: CommandSubmitter
  readonly reader: RedisPolicyReader
  readonly statuses: CommandStatuses
  readonly staging: RedisImportStaging
  readonly queue: BullCommandQueue
  /** Why the policy store is unavailable; `undefined` if it is available. */
  inspectStore(): Promise<string | undefined>
  /** Returns the problem, with the reason if it says that the policy store has failed. */
  explainFailure(problem: Problem): Problem
  readonly queueWatch: Pick<QueueWatch, 'reason' | 'waitsMs' | 'resume'>
  /** Resolves once the process enforces every event that was in the partition's log at the call. */
  catchUp(partition: number): Promise<void>
  /** Whether the policies have been loaded. */
  isLoaded(): boolean
  /** How far their load has come: a number that only grows. */
  loadedSteps(): number
  /** Starts to follow. Resolves when the policies are loaded, or with `mayServeWithout`. @throws {LayoutMismatch} */
  start(mayServeWithout: Promise<void>): Promise<void>
  /** Ends all waits for outcomes of changes. */
  endWaits(): void
  close(): Promise<void>
}

export function composeConfigChange(options: ConfigChangeOptions): ConfigChangeParts {
  const { redis, subscriber, env, policies, observer, queuesInspected, tracing, logger, loggedKey } = options
  const { KEY_PREFIX: keyPrefix } = env
  const retention = { keyPrefix, retentionMs: env.COMMAND_RETENTION_MS }
  const staging = new RedisImportStaging(redis, retention)
  const queue = new BullCommandQueue(redis, keyPrefix)
  const statuses = new CommandStatuses(queue, new RedisCommandStore(redis, retention))
  const damage = new DamageReport({ logger, loggedKey })
  const log = new RedisEventLog(redis, keyPrefix, damage)
  const inForce = new PoliciesInForce({ table: policies, now: Date.now })
  const follower = new PolicyFollower({
    log,
    table: inForce,
    observer,
    onApplied: event => waiters.eventApplied(event),
    damage,
    isTransient,
    logger,
  })
  const results = new EnforcedResults({ statuses, follower })
  const enforcePlain = (announcement: Announcement) => results.enforce(announcement)
  const enforce = tracing === undefined ? enforcePlain : tracedEnforcement(enforcePlain, tracing.tracer)
  const waiters = new ResultWaiters({ find: id => results.find(id) })
  const submitter = new CommandSubmitter({
    queue,
    waiters,
    idempotencyKeys: new IdempotencyKeys(new RedisIdempotencyStore(redis, retention)),
    staging,
  })
  const queueWatch = new QueueWatch({
    partitions: CONFIG_PARTITIONS,
    stateOf: partition => queue.state(partition),
    hasWorker: partition => queue.hasWorker(partition),
    isTransient,
    onInspected: queuesInspected,
    logger,
    now: machineNow,
  })
  const announcements = new RedisAnnouncements(
    subscriber,
    keyPrefix,
    refusalReport(logger, {
      refused: 'changes cannot be subscribed to: this process reads them once a second',
      accepted: 'changes are subscribed to again',
    }),
  )

  return {
    submitter,
    reader: new RedisPolicyReader(redis, keyPrefix, key => damage.damaged(key)),
    statuses,
    staging,
    queue,
    inspectStore: policyStoreInspection(redis, {
      keyPrefix,
      hasUser: configTarget(env).username !== undefined,
      timeoutMs: inspectionTimeoutMs(env),
    }),
    explainFailure: explainStoreFailure(failureReasonOf(redis)),
    queueWatch,
    catchUp: partition => follower.catchUp(partition),
    isLoaded: () => follower.isLoaded,
    loadedSteps: () => follower.loadedSteps,
    start: async mayServeWithout => {
      follower.start()
      queueWatch.start()
      announcements.subscribe({
        announced: announcement => {
          enforce(announcement).then(
            () => announcement.result && waiters.settle(announcement.result),
            () => undefined,
          )
        },
        reconnected: () => {
          follower.catchUpAll()
          waiters.findAll()
        },
      })
      void follower.firstLoad.then(options.policiesLoaded)
      await Promise.race([follower.firstLoad, mayServeWithout])
      if (follower.isLoaded) await claimLayout(redis, keyPrefix).catch(err => leaveToWorker(err, logger))
    },
    endWaits: () => waiters.end(),
    close: async () => {
      follower.stop()
      inForce.stop()
      queueWatch.stop()
      await queue.close()
    },
  }
}

/**
 * A worker of this release claims the layout too, before it applies any change. So checks need not wait for a store that is
 * unavailable or denies a right. @throws {LayoutMismatch}
 */
function leaveToWorker(err: Error, logger: Logger): void {
  if (err instanceof LayoutMismatch) throw err
  if (isTransient(err)) return
  logger.error(
    { reason: reasonOf(err) },
    'the layout of the policy store cannot be checked: this process serves by the policies that it has loaded',
  )
}
