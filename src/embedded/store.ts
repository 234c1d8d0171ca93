/** The embedded store: Valkey in this process, and the event log on disk. Started by supervisor.ts with its own URL as `REDIS_URL`. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createLogger } from '../observability/logger.ts'
import { exitWithReport } from '../processes/exit-with-report.ts'
import { ParentLink } from '../processes/parent-link.ts'
import { removePrivateSocket } from '../processes/private-socket.ts'
import { stopOnRequest } from '../processes/shutdown.ts'
import { readEnv } from '../settings/env.ts'
import { parseRedisUrl } from '../settings/redis-url.ts'
import { BucketEviction } from './bucket-eviction.ts'
import { writeCompactedInThread } from './compaction-thread.ts'
import { lockDirectory } from './directory-lock.ts'
import { DurableLog } from './durable-log.ts'
import { QuotaCounts } from './quota-counts.ts'
import { batchesInThread } from './replay-thread.ts'
import { EmbeddedValkey } from './valkey.ts'

/** File descriptor for log lines, opened by the supervisor; standard output belongs to Valkey. */
const LOG_FD = 4

/** Front processes and worker stop before the store, even if their parent is gone. */
const LAST_OF_ORPHANS_MS = 3_500
const CLIENT_CHECK_INTERVAL_MS = 50

/**
 * Time that a stop has in addition to `SHUTDOWN_TIMEOUT_MS`, which is for requests, in ms: what the store has accepted is written even
 * if that is short. A second later, the parent kills the process.
 */
const WRITING_MS = 2_000

process.title = 'throttler store'
const parent = ParentLink.ofThisProcess()

try {
  const env = readEnv({ needsRedis: false })
  const logger = createLogger({ level: env.LOG_LEVEL, role: 'store', fd: LOG_FD })
  const url = env.REDIS_URL as string
  const {
    endpoints: [endpoint],
    password = '',
  } = parseRedisUrl(url)
  const { path } = endpoint
  // A supervisor that was killed cannot remove it.
  if (path !== undefined) parent?.onLost(() => process.once('exit', () => removePrivateSocket(path)))
  const valkey = new EmbeddedValkey(endpoint, password)
  let log: DurableLog | undefined
  let quotaCounts: QuotaCounts | undefined
  let eviction: BucketEviction | undefined

  stopOnRequest(
    async ({ orphaned }) => {
      // The store is still starting: nothing has changed, and what it is reading need not be read.
      if (log === undefined) return
      if (orphaned) await clientsGone()
      await quotaCounts?.close()
      await log.close(orphaned ? 0 : env.SHUTDOWN_TIMEOUT_MS / 2)
      eviction?.stop()
      await valkey.stop()
    },
    { parent, timeoutMs: env.SHUTDOWN_TIMEOUT_MS + WRITING_MS, logger },
  )
  async function clientsGone(): Promise<void> {
    const deadline = performance.now() + LAST_OF_ORPHANS_MS
    while (valkey.hasClients && performance.now() < deadline) await sleep(CLIENT_CHECK_INTERVAL_MS)
  }

  const directory = await lockDirectory(env.DATA_DIR, url)
  await valkey.start()
  const connections = { commands: valkey.connectInProcess(), announcements: valkey.connectInProcess() }
  const counts = await QuotaCounts.open(
    { commands: valkey.connectInProcess(), tracking: valkey.connectInProcess() },
    { dataDir: env.DATA_DIR, directory, keyPrefix: env.KEY_PREFIX, logger },
  )
  quotaCounts = counts
  log = await DurableLog.open(connections, {
    dataDir: env.DATA_DIR,
    directory,
    keyPrefix: env.KEY_PREFIX,
    retentionMs: env.COMMAND_RETENTION_MS,
    keep: env.CONFIG_LOG_KEEP,
    batchesInThread,
    writeCompacted: writeCompactedInThread,
    restart: () => process.exit(1),
    logger,
  })
  parent?.onMessage(({ type }) => type === 'keep-quota-counts' && counts.keep())
  eviction = new BucketEviction({
    store: valkey.connectInProcess(),
    keyPrefix: env.KEY_PREFIX,
    memoryBytes: () => valkey.memoryBytes,
    logger,
  })
  const server = await valkey.serve(log)
  server.on('error', err => logger.error({ err }, 'a connection cannot be accepted'))
  parent?.send({ type: 'ready' })
} catch (err) {
  await exitWithReport(err, parent)
}
