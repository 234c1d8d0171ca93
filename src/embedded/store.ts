/** The embedded store: Valkey in this process, and the event log on disk. Started by main.ts with the port to listen on. */
import { setTimeout as sleep } from 'node:timers/promises'
import { readEnv } from '../env.ts'
import { exitWithReport } from '../exit-with-report.ts'
import { createLogger } from '../logger.ts'
import { ParentLink } from '../processes/parent-link.ts'
import { stopOnRequest } from '../shutdown.ts'
import { lockDirectory } from './directory-lock.ts'
import { DurableLog } from './durable-log.ts'
import { EmbeddedValkey } from './valkey.ts'

/** Where main.ts wants log lines, as standard output is Valkey's. */
const LOG_FD = 4

/** Fronts and worker end before the store, also when nobody is left to say so. */
const LAST_OF_ORPHANS_MS = 3_500

process.title = 'throttler store'
const parent = ParentLink.ofThisProcess()

try {
  const env = readEnv({ needsRedis: false })
  const logger = createLogger({ level: env.LOG_LEVEL, role: 'store', fd: LOG_FD })
  const port = Number(process.argv.at(-1))
  await lockDirectory(env.DATA_DIR, `redis://127.0.0.1:${port}`)

  let log: DurableLog | undefined
  const valkey = new EmbeddedValkey(port, () => log?.sync())
  await valkey.start()
  log = new DurableLog(valkey.connectInProcess(), valkey.connectInProcess(), {
    dataDir: env.DATA_DIR,
    keyPrefix: env.KEY_PREFIX,
    retentionMs: env.COMMAND_RETENTION_MS,
    logger,
  })

  stopOnRequest(
    async ({ orphaned }) => {
      if (orphaned) await sleep(LAST_OF_ORPHANS_MS)
      log.followCompaction()
      await valkey.stop()
      log.close()
    },
    { parent, timeoutMs: env.SHUTDOWN_TIMEOUT_MS, logger },
  )
  parent?.send({ type: 'ready' })
} catch (err) {
  await exitWithReport(err, parent)
}
