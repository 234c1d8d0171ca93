/** One worker: takes commands from every partition's queue and applies them. Loaded by config.worker.ts. */

import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { OperatorError } from '../src/lib/operator-error.ts'
import { createLogger } from '../src/observability/logger.ts'
import { exitWithReport } from '../src/processes/exit-with-report.ts'
import { EMPTY_QUEUE_FIRST, MAX_DRAIN_MS, ParentLink } from '../src/processes/parent-link.ts'
import { reportReady } from '../src/processes/report-ready.ts'
import { stopOnRequest } from '../src/processes/shutdown.ts'
import { preflight } from '../src/redis/connection/preflight.ts'
import { configTarget } from '../src/redis/connection/redis-target.ts'
import { maintainedPartitions } from '../src/redis/policies/maintained-partitions.ts'
import { loadDotenv } from '../src/settings/dotenv.ts'
import { readEnv } from '../src/settings/env.ts'
import { loadTracer } from '../src/tracing/load-tracer.ts'
import { awaitLayout } from './await-layout.ts'
import { composeWorker } from './compose-worker.ts'
import { LogCompaction } from './log-compaction.ts'
import { serveMetrics } from './metrics-server.ts'

/**
 * Under constant changes a worker uses 20 MB. V8 would let the heap grow to twice as much before it collects garbage. V8 reads this
 * flag at each collection, so it takes effect in every way to start a worker.
 */
setFlagsFromString('--heap-growing-percent=30')

/** How long an orphaned worker tries to empty its queue, in ms. The store may be gone already, so that it never could. */
const ORPHAN_DRAIN_MS = 1_500

process.title = 'throttler worker'
const parent = ParentLink.ofThisProcess()

try {
  const dotenv = parent === undefined ? loadDotenv() : undefined
  const env = readEnv({ needsRedis: true })
  const logger = createLogger({ level: env.LOG_LEVEL, role: 'worker' })
  if (dotenv !== undefined) logger.info({ path: dotenv }, 'read settings from .env')
  if (parent === undefined) await preflight([configTarget(env)], env, logger)
  const tracer = await loadTracer(env, 'worker', logger)
  const { redis, workers, ends, metrics, inspectStore, close } = composeWorker(env, logger, tracer)
  const emptiesQueue = process.argv.includes(EMPTY_QUEUE_FIRST)

  const compaction =
    env.CONFIG_LOG_KEEP === undefined
      ? undefined
      : new LogCompaction({
          partitions: maintainedPartitions(redis, env.KEY_PREFIX),
          keep: env.CONFIG_LOG_KEEP,
          logger,
        })

  const server = serveMetrics({
    host: env.HOST,
    port: env.WORKER_METRICS_PORT,
    inspectStore,
    unreachablePartitions: () => workers.unreachablePartitions,
    metrics: () => metrics.text(),
    logger,
  })

  stopOnRequest(
    async ({ orphaned }) => {
      compaction?.stop()
      ends.stop()
      const lost = emptiesQueue ? await emptyQueue(orphaned) : 0
      await close()
      await tracer?.close()
      server?.close()
      if (lost > 0)
        throw new OperatorError(`${lost} queued changes could not be applied, and are lost with the embedded store`)
    },
    { parent, timeoutMs: env.SHUTDOWN_TIMEOUT_MS + (emptiesQueue ? MAX_DRAIN_MS : 0), logger },
  )
  function emptyQueue(orphaned: boolean): Promise<number> {
    const left = workers.drain()
    return orphaned ? Promise.race([left, sleep(ORPHAN_DRAIN_MS, 0)]) : left
  }

  // The worker is ready even while Redis is unavailable, and waits for it.
  awaitLayout(redis, { keyPrefix: env.KEY_PREFIX, logger })
    .then(() => workers.start())
    .then(() => void ends.start())
    .catch(err => exitWithReport(err, parent))
  logger.info('ready to take commands')
  if (parent === undefined) reportReady()
  else parent.send({ type: 'ready' })
} catch (err) {
  await exitWithReport(err, parent)
}
