/** The front's primary: keeps `WEB_CONCURRENCY` front processes running. Loaded by cluster.ts. */

import cluster from 'node:cluster'
import { fileURLToPath } from 'node:url'
import { maxConnections, readOwnLimits } from '../connections/max-connections.ts'
import { OperatorError } from '../lib/operator-error.ts'
import { createLogger } from '../observability/logger.ts'
import { FAILURE_REASONS } from '../redis/connection/failure-reason.ts'
import { preflight } from '../redis/connection/preflight.ts'
import { allTargets } from '../redis/connection/redis-target.ts'
import { loadDotenv } from '../settings/dotenv.ts'
import { childVariables, readEnv } from '../settings/env.ts'
import { inspectionTimeoutMs } from '../settings/inspection-timeout.ts'
import { announceService } from './announce-service.ts'
import { exitWithReport } from './exit-with-report.ts'
import { FrontFleet } from './front-fleet.ts'
import { holdPorts, portVariables } from './front-ports.ts'
import { forkFront } from './front-process.ts'
import { REPORT_GRACE_MS } from './instance-queries.ts'
import type { MetricsSnapshot } from './messages.ts'
import { ParentLink, SUPERVISED } from './parent-link.ts'
import { reportReady } from './report-ready.ts'
import { stopOnRequest } from './shutdown.ts'

/**
 * Distributes connections round robin, so that each process gets its share of the checks, of the machine's cores, and of the limits
 * that the processes divide while the store is unavailable. The kernel would give some processes several times as many as others.
 */
cluster.schedulingPolicy = cluster.SCHED_RR

/**
 * Most of what a check allocates is garbage soon after. The young generation has half of V8's default size, in MB, and is collected
 * on the main thread: helper threads would take cores from other front processes. The old generation (policies, waiting batches)
 * is collected after it has grown by 80 %; by default, it could grow to several times its size. One helper thread marks it: with
 * V8's four, the main thread would wait for a core at the end of each collection.
 */
const FRONT_NODE_OPTIONS = [
  '--max-semi-space-size=8',
  '--no-parallel-scavenge',
  '--heap-growing-percent=80',
  '--v8-pool-size=1',
]

/** How long open connections are still served during a stop, with `Connection: close`, in ms. */
const STOP_DRAIN_MS = 500

/**
 * glibc returns large freed blocks, such as bodies, to the system, until it has freed a few and adapts its thresholds. Setting its
 * own initial values, in bytes, keeps it from adapting: 70 MB less for a front process that receives many large bodies.
 * @see https://man7.org/linux/man-pages/man3/mallopt.3.html
 */
const FRONT_ALLOCATOR = { MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '131072' }

process.title = 'throttler primary'
const parent = ParentLink.ofThisProcess()

let supervisorMetrics: MetricsSnapshot = []
parent?.onMessage(message => {
  if (message.type === 'supervisor-metrics') supervisorMetrics = message.metrics
})

let stopFronts = async () => true
try {
  const dotenv = parent === undefined ? loadDotenv() : undefined
  const env = readEnv({ needsRedis: true })
  const logger = createLogger({ level: env.LOG_LEVEL, role: 'primary' })
  if (dotenv !== undefined) logger.info({ path: dotenv }, 'read settings from .env')
  if (parent === undefined) await preflight(allTargets(env), env, logger)
  cluster.setupPrimary({
    exec: fileURLToPath(new URL('../server.js', import.meta.url)),
    args: [SUPERVISED],
    execArgv: [...process.execArgv, ...FRONT_NODE_OPTIONS],
  })
  const { ports, release } = await holdPorts(env)
  const fleet = new FrontFleet({
    size: env.WEB_CONCURRENCY,
    spawn: () =>
      forkFront(childVariables({ ...FRONT_ALLOCATOR, ...portVariables(ports), LOG_KEY_SECRET: env.LOG_KEY_SECRET })),
    maxWaitingConnections: maxConnections(readOwnLimits()),
    stopTimeoutMs: env.SHUTDOWN_TIMEOUT_MS + 1_000,
    healthTimeoutMs: inspectionTimeoutMs(env) + REPORT_GRACE_MS,
    replacedDrainMs: env.SHUTDOWN_TIMEOUT_MS / 2,
    onAboutToListen: release,
    onQuotaFound: () => parent?.send({ type: 'quota-found' }),
    circuitOpeningReasons: FAILURE_REASONS,
    supervisorMetrics: () => supervisorMetrics,
    logger,
  })

  stopFronts = () => fleet.stop(Math.min(STOP_DRAIN_MS, env.SHUTDOWN_TIMEOUT_MS / 10))
  const stop = async () => {
    if (!(await stopFronts())) throw new OperatorError('a front process did not stop in order')
  }
  stopOnRequest(stop, { parent, timeoutMs: env.SHUTDOWN_TIMEOUT_MS + 2_000, logger })
  process.on('SIGHUP', () => fleet.replaceAll())
  parent?.onMessage(({ type }) => type === 'replace' && fleet.replaceAll())

  await fleet.start()
  if (parent === undefined) {
    announceService(logger, { ...env, ...ports })
    reportReady()
  } else parent.send({ type: 'ready', ports })
} catch (err) {
  await exitWithReport(err, parent, stopFronts)
}
