/** The one place where the worker's adapters meet the ports of its flow. */
import { CommandApplier } from '../src/config-change/apply/command-applier.ts'
import { ImportApplier } from '../src/config-change/apply/import-applier.ts'
import type { Logger } from '../src/observability/logger.ts'
import { BullCommandQueue } from '../src/queues/command-queue.ts'
import { connect, type RedisClient } from '../src/redis/connection/connection.ts'
import { ConnectionName } from '../src/redis/connection/connection-names.ts'
import { configTarget } from '../src/redis/connection/redis-target.ts'
import { RedisCommandStore } from '../src/redis/policies/command-store.ts'
import { RedisIdempotencyStore } from '../src/redis/policies/idempotency-store.ts'
import { RedisImportStaging } from '../src/redis/policies/import-staging.ts'
import type { Env } from '../src/settings/env.ts'
import { configChangeProcessor } from './config-change.processor.ts'
import { ConfigWorkers } from './config-workers.ts'
import { WorkerMetrics } from './worker-metrics.ts'

/** A worker reconnects when a command has had no answer for this long, in ms. BullMQ itself waits up to 10 s for a job. */
const HANG_TIMEOUT_MS = 12_000

export interface WorkerParts {
  readonly redis: RedisClient
  readonly workers: ConfigWorkers
  readonly metrics: WorkerMetrics
  /** Closes every connection. */
  close(): Promise<void>
}

export function workerDependencies(env: Env, logger: Logger): WorkerParts {
  const redis = connect('worker', {
    target: configTarget(env),
    name: ConnectionName.worker,
    hangTimeoutMs: HANG_TIMEOUT_MS,
    logger,
  })
  const store = { keyPrefix: env.KEY_PREFIX, retentionMs: env.COMMAND_RETENTION_MS }
  const now = () => new Date()
  const log = new RedisCommandStore(redis, store)
  const staging = new RedisImportStaging(redis, store)
  const queue = new BullCommandQueue(redis, env.KEY_PREFIX)
  const metrics = new WorkerMetrics()
  const processor = configChangeProcessor({
    applier: new CommandApplier({ log, now }),
    importer: new ImportApplier({ log, staging, queue, now }),
    log,
    reservations: new RedisIdempotencyStore(redis, store, commandId =>
      logger.error({ commandId }, 'the record of an Idempotency-Key was damaged: restored it for its command'),
    ),
    metrics,
    logger,
  })
  const workers = new ConfigWorkers({
    connection: redis,
    keyPrefix: env.KEY_PREFIX,
    processor,
    // A lost announcement only delays the response: waiting requests also poll.
    failed: commandId => void log.announceFailure(commandId).catch(() => undefined),
    logger,
  })
  const close = async () => {
    await workers.close()
    await queue.close()
    redis.disconnect()
  }
  return { redis, workers, metrics, close }
}
