/** The whole service on this machine: front, worker and, without `REDIS_URL`, the embedded store. Loaded by main.ts. */
import { type ForkOptions, fork, type StdioOptions } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createLogger, type Logger } from '../observability/logger.ts'
import { examineStores } from '../redis/connection/preflight.ts'
import { allTargets } from '../redis/connection/redis-target.ts'
import { childVariables, type Env, isRunByNpm, readEnv } from '../settings/env.ts'
import { announceService } from './announce-service.ts'
import { exitWithReport } from './exit-with-report.ts'
import { freePort } from './free-port.ts'
import { EMPTY_QUEUE_FIRST, SUPERVISED } from './parent-link.ts'
import { tellProcessManager } from './process-manager.ts'
import { publishReplacements } from './replacements.ts'
import { stopOnRequest } from './shutdown.ts'
import { SupervisedProcess } from './supervised-process.ts'

/** Valkey writes to the store's standard output; our own log lines go to its descriptor 4, which is our standard output. */
const STORE_STDIO: StdioOptions = ['ignore', 'ignore', 'inherit', 'ipc', 1]
/** Node's WASI does what the store needs of it. */
const STORE_NODE_OPTIONS = ['--disable-warning=ExperimentalWarning']

/** A worker's young objects need little space, in MB: a quarter of V8's default, which it would fill within seconds. */
const WORKER_NODE_OPTIONS = ['--max-semi-space-size=4']

const PARENT_CHECK_INTERVAL_MS = 1_000

let stopChildren = async () => {}
try {
  const env = readEnv({ needsRedis: false })
  const logger = createLogger({ level: env.LOG_LEVEL, role: 'supervisor' })
  if (env.REDIS_URL !== undefined) await examineStores(allTargets(env), logger)
  const store = env.REDIS_URL === undefined ? await embeddedStore(env, logger) : undefined
  const redisUrl = env.REDIS_URL ?? `redis://127.0.0.1:${store?.port}`
  // One secret for all, so that a key has the same hash in the logs of every process.
  const variables = { REDIS_URL: redisUrl, LOG_KEY_SECRET: env.LOG_KEY_SECRET }
  const frontVariables: Record<string, string> = { ...variables }
  const front = child('front', '../cluster.js', { env, logger, variables: frontVariables })
  const worker = child('worker', '../../workers/config.worker.js', {
    env,
    logger,
    variables,
    args: store ? [EMPTY_QUEUE_FIRST] : [],
    options: { execArgv: [...process.execArgv, ...WORKER_NODE_OPTIONS] },
  })

  publishReplacements([front, worker, ...(store ? [store.process] : [])], front)
  front.on('message', message => {
    // A free port that the first primary found is that of its successors too: it is what callers were told.
    if (message.type === 'ready' && message.port !== undefined) frontVariables['PORT'] = String(message.port)
  })

  stopChildren = async () => {
    await front.stop()
    await worker.stop()
    await store?.process.stop()
  }
  const stop = stopOnRequest(stopChildren, { parent: undefined, timeoutMs: 3 * env.SHUTDOWN_TIMEOUT_MS, logger })
  // A message, unlike a signal, waits for a primary that is still starting.
  process.on('SIGHUP', () => front.send({ type: 'replace' }))
  if (isRunByNpm()) stopWithNpm(stop)

  // Nobody finds it away while it fills itself from its journal.
  await store?.process.start()
  const [{ port = env.PORT }] = await Promise.all([front.start(), worker.start()])
  announceService(logger, { ...env, PORT: port })
  tellProcessManager()
} catch (err) {
  await exitWithReport(err, undefined, stopChildren)
}

interface ChildOptions {
  readonly env: Env
  readonly logger: Logger
  readonly variables?: Record<string, string>
  readonly args?: readonly string[]
  readonly options?: ForkOptions
}

function child(
  name: string,
  entry: string,
  { env, logger, variables = {}, args = [], options }: ChildOptions,
): SupervisedProcess {
  const path = fileURLToPath(new URL(entry, import.meta.url))
  return new SupervisedProcess({
    name,
    logger,
    stopTimeoutMs: env.SHUTDOWN_TIMEOUT_MS + 3_000,
    spawn: () => fork(path, [SUPERVISED, ...args], { env: childVariables(variables), ...options }),
  })
}

/** The store keeps its port when it is replaced, so that everybody finds it again. */
async function embeddedStore(env: Env, logger: Logger): Promise<{ process: SupervisedProcess; port: number }> {
  const port = await freePort('127.0.0.1')
  const options = { stdio: STORE_STDIO, execArgv: STORE_NODE_OPTIONS }
  return { process: child('store', '../embedded/store.js', { env, logger, args: [String(port)], options }), port }
}

/** npm that was killed cannot say so; what it started would go on without anybody to stop it. */
function stopWithNpm(stop: () => void): void {
  const npm = process.ppid
  setInterval(() => process.ppid !== npm && stop(), PARENT_CHECK_INTERVAL_MS).unref()
}
