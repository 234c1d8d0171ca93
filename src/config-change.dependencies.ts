/** The one place where the front's adapters of configuration changes meet the ports of their flow. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { inTime, StoreTimeout } from './check/guarded-store.ts'
import { CommandStatuses } from './config-change/command-status.ts'
import { DamageReport } from './config-change/damage-report.ts'
import { type FollowObserver, PolicyFollower } from './config-change/follow.ts'
import { NameReserver } from './config-change/idempotency.ts'
import { OutcomeWaiters } from './config-change/outcome-waiters.ts'
import { CommandSubmitter } from './config-change/submit.ts'
import { partitionOfCommand } from './domain/commands.ts'
import { CONFIG_PARTITIONS } from './domain/partition.ts'
import type { PolicyTable } from './domain/policy-table.ts'
import type { Env } from './env.ts'
import type { LoggedKey } from './log-keys.ts'
import type { Logger } from './logger.ts'
import { BullCommandQueue } from './queues/command-queue.ts'
import { QueueWatch } from './queues/queue-watch.ts'
import { RedisAnnouncements } from './redis/announcements.ts'
import { RedisCommandLog } from './redis/command-log.ts'
import { RedisConfigStore } from './redis/config-store.ts'
import type { RedisClient } from './redis/connection.ts'
import { RedisEventLog } from './redis/event-log.ts'
import { failureReasonOf } from './redis/failure-reason.ts'
import { RedisImportStaging } from './redis/import-staging.ts'
import { claimLayout } from './redis/layout.ts'
import { probeWrites } from './redis/probe-writes.ts'
import { RedisReservations } from './redis/reservations.ts'
import { isTransient } from './redis/transient.ts'

interface ConfigChangeOptions {
  readonly redis: RedisClient
  readonly subscriber: Redis
  readonly env: Env
  /** What follows the configuration. */
  readonly policies: PolicyTable
  readonly observer: FollowObserver
  readonly logger: Logger
  readonly loggedKey: LoggedKey
}

export interface ConfigChangeParts {
  readonly submitter: CommandSubmitter
  readonly reader: RedisConfigStore
  readonly statuses: CommandStatuses
  readonly staging: RedisImportStaging
  readonly queue: BullCommandQueue
  /** Why the store is unavailable; `undefined` if it is not. */
  examineStore(): Promise<string | undefined>
  /** Why commands wait although nothing is done about them; `undefined` if they do not. */
  readonly queueWatch: { readonly reason: string | undefined }
  /** Whether the policies were loaded once. */
  isLoaded(): boolean
  /** Starts to follow. Resolves once the policies are loaded, or have not been for so long, ms. @throws {LayoutMismatch} */
  start(patienceMs: number): Promise<void>
  /** From now on nobody waits for the outcome of a change. */
  endWaits(): void
  close(): Promise<void>
}

export function configChangeDependencies(options: ConfigChangeOptions): ConfigChangeParts {
  const { redis, subscriber, env, policies, observer, logger, loggedKey } = options
  const { KEY_PREFIX: keyPrefix } = env
  const kept = { keyPrefix, retentionMs: env.COMMAND_RETENTION_MS }
  const staging = new RedisImportStaging(redis, kept)
  const queue = new BullCommandQueue(redis, keyPrefix)
  const statuses = new CommandStatuses(queue, new RedisCommandLog(redis, kept))
  const damage = new DamageReport({ logger, loggedKey })
  const damaged = (key: string) => damage.damaged(key)
  const log = new RedisEventLog(redis, keyPrefix, damaged)
  const follower = new PolicyFollower({ log, table: policies, observer, damage, isTransient, logger })
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
    names: new NameReserver(new RedisReservations(redis, kept)),
    staging,
    findEnding: findObeyedEnding,
  })
  const failureReason = failureReasonOf(redis)
  const reasonOf = (err: unknown) => (err instanceof StoreTimeout ? 'timeout' : failureReason(err))
  const queueWatch = new QueueWatch({
    partitions: CONFIG_PARTITIONS,
    look: partition => queue.state(partition),
    hasWorker: partition => queue.hasWorker(partition),
    isTransient,
    logger,
    now: () => performance.now(),
  })
  const announcements = new RedisAnnouncements(subscriber, keyPrefix)

  return {
    submitter,
    reader: new RedisConfigStore(redis, keyPrefix, damaged),
    statuses,
    staging,
    queue,
    examineStore: () => inTime(probeWrites(redis, keyPrefix), env.REDIS_TIMEOUT_MS).then(() => undefined, reasonOf),
    queueWatch,
    isLoaded: () => follower.isLoaded,
    start: async patienceMs => {
      follower.start()
      queueWatch.start()
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
      await Promise.race([follower.firstLoad, sleep(patienceMs, undefined, { ref: false })])
      if (follower.isLoaded) await claimLayout(redis, keyPrefix)
    },
    endWaits: () => waiters.end(),
    close: async () => {
      follower.stop()
      queueWatch.stop()
      await queue.close()
    },
  }
}
