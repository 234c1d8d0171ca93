import { CommandApplier } from '../src/config-change/apply/command-applier.ts'
import { EndRecorder } from '../src/config-change/apply/end-recorder.ts'
import { ImportApplier } from '../src/config-change/apply/import-applier.ts'
import { faultFields } from '../src/lib/operator-error.ts'
import { shareRun } from '../src/lib/share-runs.ts'
import type { Logger } from '../src/observability/logger.ts'
import { refusalReport } from '../src/observability/refusal-report.ts'
import { BullCommandQueue } from '../src/queues/command-queue.ts'
import { connect, type RedisClient } from '../src/redis/connection/connection.ts'
import { ConnectionName } from '../src/redis/connection/connection-names.ts'
import { configTarget } from '../src/redis/connection/redis-target.ts'
import { isTransient } from '../src/redis/connection/transient.ts'
import { RedisCommandStore } from '../src/redis/policies/command-store.ts'
import { RedisIdempotencyStore } from '../src/redis/policies/idempotency-store.ts'
import { RedisImportStaging } from '../src/redis/policies/import-staging.ts'
import { RedisPolicyReader } from '../src/redis/policies/policy-reader.ts'
import { policyStoreInspection } from '../src/redis/policies/policy-store-inspection.ts'
import type { Env } from '../src/settings/env.ts'
import { inspectionTimeoutMs } from '../src/settings/inspection-timeout.ts'
import type { Tracer } from '../src/tracing/tracer.ts'
import { configChangeProcessor } from './config-change.processor.ts'
import { ConfigWorkers } from './config-workers.ts'
import { WorkerMetrics } from './worker-metrics.ts'

/** A worker reconnects when a command has had no answer for this long, in ms; more than BullMQ waits for a job, see `drainDelay`. */
const HANG_TIMEOUT_MS = 3_000

/** The shortest interval between two inspections of the store for `/health`, in ms. */
const HEALTH_INTERVAL_MS = 250

export interface WorkerParts {
  readonly redis: RedisClient
  readonly workers: ConfigWorkers
  /** Records the ends of temporary policies, once it is started. */
  readonly ends: EndRecorder
  readonly metrics: WorkerMetrics
  /** Why the policy store is unavailable; `undefined` if it is available. It is asked at most four times a second. */
  inspectStore(): Promise<string | undefined>
  /** Closes every connection. */
  close(): Promise<void>
}

/** Connects the ports of the change flow to their adapters, for a worker. @param tracer absent if nothing is traced */
export function composeWorker(env: Env, logger: Logger, tracer?: Tracer): WorkerParts {
  const redis = connect('worker', {
    target: configTarget(env),
    name: ConnectionName.worker,
    hangTimeoutMs: HANG_TIMEOUT_MS,
    logger,
  })
  const { KEY_PREFIX: keyPrefix, COMMAND_RETENTION_MS: retentionMs } = env
  const retention = { keyPrefix, retentionMs }
  const now = () => new Date()
  const reader = new RedisPolicyReader(redis, keyPrefix)
  const onAnnounced = refusalReport(logger, {
    refused: 'changes cannot be announced: they take effect up to a second later',
    accepted: 'changes are announced again',
  })
  const store = new RedisCommandStore(redis, retention, onAnnounced)
  const staging = new RedisImportStaging(redis, retention)
  const queue = new BullCommandQueue(redis, keyPrefix)
  const importer = new ImportApplier({ reader, store, staging, queue, now })
  const metrics = new WorkerMetrics()
  const processor = configChangeProcessor({
    applier: new CommandApplier({ reader, store, now }),
    importer,
    reader,
    store,
    idempotency: new RedisIdempotencyStore(redis, retention, commandId =>
      logger.error({ commandId }, 'the record of an Idempotency-Key was damaged: restored it for its command'),
    ),
    metrics,
    tracer,
    logger,
  })
  const workers = new ConfigWorkers({
    connection: redis,
    keyPrefix,
    processor,
    outcomeOf: commandId => store.outcome(commandId),
    importSteps: () => importer.steps,
    // A lost announcement only delays the response: waiting requests also poll.
    failed: commandId => void store.announceFailure(commandId).catch(() => undefined),
    logger,
  })
  const ends = new EndRecorder({
    reader,
    queue,
    failed: (err, partition) => {
      const level = isTransient(err) ? 'debug' : 'error'
      logger[level]({ partition, ...faultFields(err) }, 'the ends of temporary policies cannot be recorded yet')
    },
  })
  const inspectStore = policyStoreInspection(redis, {
    keyPrefix,
    hasUser: configTarget(env).username !== undefined,
    timeoutMs: inspectionTimeoutMs(env),
  })
  const close = async () => {
    ends.stop()
    await workers.close()
    await queue.close()
    redis.disconnect()
  }
  return { redis, workers, ends, metrics, inspectStore: shareRun(inspectStore, HEALTH_INTERVAL_MS), close }
}
