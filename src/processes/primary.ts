/** The front's primary: keeps `WEB_CONCURRENCY` front processes running. Loaded by cluster.ts. */
import cluster from 'node:cluster'
import { fileURLToPath } from 'node:url'
import { createLogger } from '../observability/logger.ts'
import { FAILURE_REASONS } from '../redis/connection/failure-reason.ts'
import { examineStores } from '../redis/connection/preflight.ts'
import { allTargets } from '../redis/connection/redis-target.ts'
import { childVariables, type Env, readEnv } from '../settings/env.ts'
import { announceService } from './announce-service.ts'
import { exitWithReport } from './exit-with-report.ts'
import { type HeldPort, holdFreePort } from './free-port.ts'
import { FrontFleet } from './front-fleet.ts'
import { forkFront } from './front-process.ts'
import { REPORT_PATIENCE_MS } from './instance-queries.ts'
import type { MetricsSnapshot } from './messages.ts'
import { ParentLink, SUPERVISED } from './parent-link.ts'
import { tellProcessManager } from './process-manager.ts'
import { stopOnRequest } from './shutdown.ts'

/**
 * Connections are handed round, so that each process has its part of the checks: of a machine's cores, and of a limit that the
 * processes share while the store is away. Left to the kernel, some would have several times as many as others.
 */
cluster.schedulingPolicy = cluster.SCHED_RR

/**
 * What a check allocates is dead soon after. The space for it is half of V8's default, in MB, and collected by the thread that
 * filled it: helpers would take the cores from the other front processes. What outlives it (the policies, and batches that wait)
 * may grow by 80 % before it is collected, rather than to several times as much.
 */
const FRONT_NODE_OPTIONS = ['--max-semi-space-size=8', '--no-parallel-scavenge', '--heap-growing-percent=80']

/** At a stop, those who are connected are still answered for so long, and told that the connection closes. */
const LAST_ANSWERS_MS = 500

process.title = 'throttler primary'
const parent = ParentLink.ofThisProcess()

let supervisorMetrics: MetricsSnapshot = []
parent?.onMessage(message => {
  if (message.type === 'supervisor-metrics') supervisorMetrics = message.metrics
})

let stopFronts = async () => {}
try {
  const env = readEnv({ needsRedis: true })
  const logger = createLogger({ level: env.LOG_LEVEL, role: 'primary' })
  if (parent === undefined) await examineStores(allTargets(env), logger)
  cluster.setupPrimary({
    exec: fileURLToPath(new URL('../server.js', import.meta.url)),
    args: [SUPERVISED],
    execArgv: [...process.execArgv, ...FRONT_NODE_OPTIONS],
  })
  const { port, release } = await portFor(env)
  const fleet = new FrontFleet({
    size: env.WEB_CONCURRENCY,
    spawn: () => forkFront(childVariables({ PORT: String(port), LOG_KEY_SECRET: env.LOG_KEY_SECRET }), logger),
    stopTimeoutMs: env.SHUTDOWN_TIMEOUT_MS + 1_000,
    healthTimeoutMs: env.REDIS_TIMEOUT_MS + REPORT_PATIENCE_MS,
    replacedDrainMs: env.SHUTDOWN_TIMEOUT_MS / 2,
    listensNext: release,
    circuitOpeningReasons: FAILURE_REASONS,
    supervisorMetrics: () => supervisorMetrics,
    logger,
  })

  stopFronts = () => fleet.stop(Math.min(LAST_ANSWERS_MS, env.SHUTDOWN_TIMEOUT_MS / 10))
  stopOnRequest(stopFronts, { parent, timeoutMs: env.SHUTDOWN_TIMEOUT_MS + 2_000, logger })
  process.on('SIGHUP', () => void fleet.replaceAll())
  parent?.onMessage(({ type }) => type === 'replace' && void fleet.replaceAll())

  await fleet.start()
  if (parent === undefined) {
    announceService(logger, { ...env, PORT: port })
    tellProcessManager()
  } else parent.send({ type: 'ready', port })
} catch (err) {
  await exitWithReport(err, parent, stopFronts)
}

/**
 * Where the front listens. A free port is found here, rather than left to node:cluster, so that it stays the same however often
 * all processes are replaced; and held until the first of them listens, so that nobody else gets it meanwhile.
 */
async function portFor({ HOST, PORT }: Env): Promise<HeldPort> {
  const given = { port: PORT, release: () => undefined }
  // Where nothing can be listened on, whoever tries to says why.
  return PORT === 0 ? holdFreePort(HOST).catch(() => given) : given
}
