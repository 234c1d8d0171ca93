/** The whole service on this machine: front, worker and, without `REDIS_URL`, the embedded store. Loaded by main.ts. */

import { type ForkOptions, fork, type StdioOptions } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { OperatorError } from '../lib/operator-error.ts'
import { createLogger, type Logger } from '../observability/logger.ts'
import { preflight } from '../redis/connection/preflight.ts'
import { allTargets } from '../redis/connection/redis-target.ts'
import { loadDotenv } from '../settings/dotenv.ts'
import { childVariables, type Env, isRunByNpm, readEnv } from '../settings/env.ts'
import { socketUrl } from '../settings/redis-url.ts'
import { announceService } from './announce-service.ts'
import { exitWithReport } from './exit-with-report.ts'
import { portVariables } from './front-ports.ts'
import { EMPTY_QUEUE_FIRST, MAX_DRAIN_MS, SUPERVISED } from './parent-link.ts'
import { createPrivateSocket, removePrivateSocket } from './private-socket.ts'
import { publishReplacements } from './replacements.ts'
import { reportReady } from './report-ready.ts'
import { stopOnRequest } from './shutdown.ts'
import { stopInOrder } from './stop-in-order.ts'
import { SupervisedProcess } from './supervised-process.ts'

/** Standard output of the store belongs to Valkey and is discarded. Log lines go to its descriptor 4, which is our standard output. */
const STORE_STDIO: StdioOptions = ['ignore', 'ignore', 'inherit', 'ipc', 1]
/** The store needs WASI, which Node calls experimental. */
const STORE_NODE_OPTIONS = ['--disable-warning=ExperimentalWarning']

/** Young generation of a worker, in MB. A worker needs little, but would fill V8's default, four times as much, within seconds. */
const WORKER_NODE_OPTIONS = ['--max-semi-space-size=4']

const PARENT_CHECK_INTERVAL_MS = 1_000

/** Of the embedded store's password. */
const PASSWORD_BYTES = 16

let stopChildren = async () => {}
try {
  const dotenv = loadDotenv()
  const env = readEnv({ needsRedis: false, listensOnBothPorts: true })
  const logger = createLogger({ level: env.LOG_LEVEL, role: 'supervisor' })
  if (dotenv !== undefined) logger.info({ path: dotenv }, 'read settings from .env')
  if (env.REDIS_URL !== undefined) await preflight(allTargets(env), env, logger)
  const store = env.REDIS_URL === undefined ? embeddedStore(env, logger) : undefined
  const drainMs = store ? MAX_DRAIN_MS : 0
  // A shared secret, so that a key has the same hash in the logs of every process.
  const variables = { ...(store && { REDIS_URL: store.url }), LOG_KEY_SECRET: env.LOG_KEY_SECRET }
  const frontVariables: Record<string, string> = { ...variables }
  const front = child('front', '../cluster.js', { env, logger, variables: frontVariables })
  const worker = child('worker', '../../workers/config.worker.js', {
    env,
    logger,
    variables,
    args: store ? [EMPTY_QUEUE_FIRST] : [],
    drainMs,
    options: { execArgv: [...process.execArgv, ...WORKER_NODE_OPTIONS] },
  })

  if (store) keepQuotaCounts(store.process, front)
  publishReplacements([front, worker, ...(store ? [store.process] : [])], front)
  front.on('message', message => {
    // Successors of the first primary listen on the free ports that it found: callers know those.
    if (message.type === 'ready') Object.assign(frontVariables, portVariables(message.ports ?? {}))
  })

  let isEverythingKept = true
  stopChildren = async () => {
    isEverythingKept = await stopInOrder({ front, worker, store: store?.process })
  }
  const stop = stopOnRequest(
    async () => {
      await stopChildren()
      if (!isEverythingKept)
        throw new OperatorError('the worker or the store did not stop in order: changes may be lost')
    },
    { parent: undefined, timeoutMs: 3 * env.SHUTDOWN_TIMEOUT_MS + drainMs, logger },
  )
  // Unlike a signal, a message waits until the primary has started.
  process.on('SIGHUP', () => front.send({ type: 'replace' }))
  if (isRunByNpm()) stopWithNpm(stop)

  // The others start once the store has loaded its journal, so they never find it unavailable.
  await store?.process.start()
  const [{ ports }] = await Promise.all([front.start(), worker.start()])
  announceService(logger, { ...env, ...ports })
  reportReady()
} catch (err) {
  await exitWithReport(err, undefined, stopChildren)
}

interface ChildOptions {
  readonly env: Env
  readonly logger: Logger
  readonly variables?: Record<string, string>
  readonly args?: readonly string[]
  /** What it may take to stop, besides the time for any process, in ms. */
  readonly drainMs?: number
  readonly options?: ForkOptions
}

function child(
  name: string,
  entry: string,
  { env, logger, variables = {}, args = [], drainMs = 0, options }: ChildOptions,
): SupervisedProcess {
  const path = fileURLToPath(new URL(entry, import.meta.url))
  return new SupervisedProcess({
    name,
    logger,
    stopTimeoutMs: env.SHUTDOWN_TIMEOUT_MS + drainMs + 3_000,
    spawn: () => fork(path, [SUPERVISED, ...args], { env: childVariables(variables), ...options }),
  })
}

/**
 * A replaced store keeps its socket and password, so that clients can reconnect. Meanwhile, no other user can take the socket; one could
 * take a port, and would get the password. Only this user can read the variables of a process.
 */
function embeddedStore(env: Env, logger: Logger): { process: SupervisedProcess; url: string } {
  const path = createPrivateSocket(env.DATA_DIR)
  process.once('exit', () => removePrivateSocket(path))
  const url = socketUrl(path, randomBytes(PASSWORD_BYTES).toString('hex'))
  const options = { stdio: STORE_STDIO, execArgv: STORE_NODE_OPTIONS }
  return {
    process: child('store', '../embedded/store.js', { env, logger, variables: { REDIS_URL: url }, options }),
    url,
  }
}

/** Once there are quotas, tells the store, and each that replaces it. */
function keepQuotaCounts(store: SupervisedProcess, front: SupervisedProcess): void {
  let areFound = false
  const tell = () => areFound && store.send({ type: 'keep-quota-counts' })
  store.on('message', ({ type }) => type === 'ready' && tell())
  front.on('message', ({ type }) => {
    if (type !== 'quota-found') return
    areFound = true
    tell()
  })
}

/** Stops the service if npm was killed: npm could not forward a signal, and the service would keep running. */
function stopWithNpm(stop: (reason: 'parent lost') => void): void {
  const npm = process.ppid
  setInterval(() => process.ppid !== npm && stop('parent lost'), PARENT_CHECK_INTERVAL_MS).unref()
}
