/** The front's primary: keeps `WEB_CONCURRENCY` front processes running. Loaded by cluster.ts. */
import cluster from 'node:cluster'
import { fileURLToPath } from 'node:url'
import { announceService } from './banner.ts'
import { childVariables, type Env, readEnv } from './env.ts'
import { exitWithReport } from './exit-with-report.ts'
import { createLogger } from './logger.ts'
import { type HeldPort, holdFreePort } from './processes/free-port.ts'
import { FrontFleet } from './processes/front-fleet.ts'
import { forkFront } from './processes/front-process.ts'
import { REPORT_PATIENCE_MS } from './processes/instance-queries.ts'
import { ParentLink, SUPERVISED } from './processes/parent-link.ts'
import { tellProcessManager } from './processes/process-manager.ts'
import { RelayedMetrics } from './processes/relayed-metrics.ts'
import { examineStores } from './redis/examine-stores.ts'
import { FAILURE_REASONS } from './redis/failure-reason.ts'
import { allTargets } from './redis/redis-target.ts'
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

/**
 * glibc returns large blocks, such as bodies of requests, to the system when they are freed, until it has freed a few and keeps
 * blocks of their size. These are its own initial values, in bytes, which stay if they are given: 70 MB less for a front process
 * that receives many large bodies.
 * @see https://man7.org/linux/man-pages/man3/mallopt.3.html
 */
const FRONT_ALLOCATOR = { MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '131072' }

/** At a stop, those who are connected are still answered for so long, and told that the connection closes. */
const LAST_ANSWERS_MS = 500

process.title = 'throttler primary'
const parent = ParentLink.ofThisProcess()

let stopFronts = async () => {}
try {
  const env = readEnv({ needsRedis: true })
  const logger = createLogger({ level: env.LOG_LEVEL, role: 'primary' })
  if (parent === undefined) await examineStores(allTargets(env), logger)
  cluster.setupPrimary({
    exec: fileURLToPath(new URL('./server.js', import.meta.url)),
    args: [SUPERVISED],
    execArgv: [...process.execArgv, ...FRONT_NODE_OPTIONS],
  })
  const { port, release } = await portFor(env)
  const besides = parent && new RelayedMetrics(parent)
  const fleet = new FrontFleet({
    size: env.WEB_CONCURRENCY,
    spawn: () => {
      const settings = { PORT: String(port), LOG_KEY_SECRET: env.LOG_KEY_SECRET }
      return forkFront(childVariables({ ...FRONT_ALLOCATOR, ...settings }), logger)
    },
    stopTimeoutMs: env.SHUTDOWN_TIMEOUT_MS + 1_000,
    healthTimeoutMs: env.REDIS_TIMEOUT_MS + REPORT_PATIENCE_MS,
    replacedDrainMs: env.SHUTDOWN_TIMEOUT_MS / 2,
    listensNext: release,
    circuitOpeningReasons: FAILURE_REASONS,
    collectBesides: async () => besides?.collect() ?? [],
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
