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
import type { Ending } from './domain/outcome.ts'
import type { PolicyTable } from './domain/policy-table.ts'
import type { Env } from './env.ts'
import type { LoggedKey } from './log-keys.ts'
import type { Logger } from './logger.ts'
import { BullCommandQueue } from './queues/command-queue.ts'
import { RedisAnnouncements } from './redis/announcements.ts'
import { RedisCommandLog } from './redis/command-log.ts'
import { RedisConfigStore } from './redis/config-store.ts'
import type { RedisClient } from './redis/connection.ts'
import { RedisEventLog } from './redis/event-log.ts'
import { failureReason } from './redis/failure-reason.ts'
import { RedisImportStaging } from './redis/import-staging.ts'
import { claimLayout } from './redis/layout.ts'
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
  const log = new RedisEventLog(redis, keyPrefix, damage)
  const follower = new PolicyFollower({ log, table: policies, observer, damage, isTransient, logger })
  /** A caller that is told how its command ended finds that this process obeys it. What failed changed nothing. */
  const catchUpWith = async (partition: number, ending: Ending) => {
    if (ending.status !== 'failed') await follower.catchUp(partition)
  }
  const findObeyedEnding = async (commandId: string) => {
    const ending = await statuses.ending(commandId)
    if (ending !== undefined) await catchUpWith(partitionOfCommand(commandId) ?? 0, ending)
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
  const announcements = new RedisAnnouncements(subscriber, keyPrefix)

  return {
    submitter,
    reader: new RedisConfigStore(redis, keyPrefix, key => damage.damaged(key)),
    statuses,
    staging,
    queue,
    examineStore: () => inTime(redis.ping(), env.REDIS_TIMEOUT_MS).then(() => undefined, reasonOf),
    isLoaded: () => follower.isLoaded,
    start: async patienceMs => {
      follower.start()
      announcements.subscribe({
        announced: ({ partition, ending }) => {
          const isCaughtUp = ending === undefined ? follower.catchUp(partition) : catchUpWith(partition, ending)
          isCaughtUp.then(
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
      await queue.close()
    },
  }
}

function reasonOf(err: unknown): string {
  return err instanceof StoreTimeout ? 'timeout' : failureReason(err)
}
