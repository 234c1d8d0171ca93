/** One config worker: takes commands from every partition's queue and applies them. The entry of `npm run start:worker`. */
import { CommandApplier } from '../src/config-change/apply.ts'
import { readEnv } from '../src/env.ts'
import { exitWithReport } from '../src/exit-with-report.ts'
import { createLogger } from '../src/logger.ts'
import { EMPTY_QUEUE_FIRST, ParentLink } from '../src/processes/parent-link.ts'
import { tellProcessManager } from '../src/processes/process-manager.ts'
import { RedisConfigStore } from '../src/redis/config-store.ts'
import { connect } from '../src/redis/connection.ts'
import { claimLayout } from '../src/redis/layout.ts'
import { isTransient } from '../src/redis/transient.ts'
import { stopOnRequest } from '../src/shutdown.ts'
import { configChangeProcessor } from './config-change.processor.ts'
import { ConfigWorkers } from './config-workers.ts'

process.title = 'throttler worker'
const parent = ParentLink.ofThisProcess()

try {
  const env = readEnv({ needsRedis: true })
  const logger = createLogger({ level: env.LOG_LEVEL, role: 'worker' })
  const url = env.CONFIG_REDIS_URL ?? env.REDIS_URL ?? ''
  const redis = connect({ url, name: 'throttler-worker', purpose: 'worker', logger })
  const applier = new CommandApplier({
    log: new RedisConfigStore(redis, { keyPrefix: env.KEY_PREFIX, retentionMs: env.COMMAND_RETENTION_MS }),
    now: () => new Date(),
    isTransient,
  })
  const workers = new ConfigWorkers({
    connection: redis,
    keyPrefix: env.KEY_PREFIX,
    processor: configChangeProcessor(applier, logger),
    logger,
  })

  stopOnRequest(
    async () => {
      if (process.argv.includes(EMPTY_QUEUE_FIRST)) await workers.drain()
      await workers.close()
      redis.disconnect()
    },
    { parent, timeoutMs: env.SHUTDOWN_TIMEOUT_MS, logger },
  )

  // Redis may be away for as long as it likes; the worker is there, and waits.
  claimLayout(redis, env.KEY_PREFIX)
    .then(() => workers.start())
    .catch(err => exitWithReport(err, parent))
  logger.info('ready to take commands')
  if (parent === undefined) tellProcessManager()
  else parent.send({ type: 'ready' })
} catch (err) {
  await exitWithReport(err, parent)
}
