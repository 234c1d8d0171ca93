/** One front process: builds the app, listens, and shuts down gracefully. Started by primary.ts. */
import { ConnectionSlots } from './connections/connection-slots.ts'
import { drained, stopAccepting } from './connections/drained.ts'
import { BACKLOG, closeListener, forwardingListener, listenOn } from './connections/forwarding-listener.ts'
import { MAX_CONNECTIONS, maxConnections, readOwnLimits } from './connections/max-connections.ts'
import { buildApp } from './front/app.ts'
import { composeFront } from './front/compose-front.ts'
import { buildGrpcServer } from './front/grpc-server.ts'
import { buildRespServer } from './front/resp-server.ts'
import { listenAddresses } from './lib/loopback-hosts.ts'
import { shareNextRun, shareRun } from './lib/share-runs.ts'
import { version } from './lib/version.ts'
import { createLogger } from './observability/logger.ts'
import { healthOfInstance } from './observability/stores-state.ts'
import { exitWithReport } from './processes/exit-with-report.ts'
import { ignoreLostPrimary } from './processes/front-process.ts'
import { askOthers, endHandovers, instanceHealth, instanceMetrics } from './processes/instance-queries.ts'
import { MetricsReports } from './processes/metrics-reports.ts'
import { ParentLink } from './processes/parent-link.ts'
import { type StopRequest, stopOnRequest } from './processes/shutdown.ts'
import { CannotStart } from './processes/supervised-process.ts'
import { type Env, readEnv } from './settings/env.ts'
import { listenFault } from './settings/host.ts'
import { inspectionTimeoutMs } from './settings/inspection-timeout.ts'
import { loadTracer } from './tracing/load-tracer.ts'

process.title = 'throttler front'
const parent = ParentLink.ofThisProcess()
if (parent === undefined) throw new Error('server.ts must be started by primary.ts')
ignoreLostPrimary()
const env = await ownEnv(parent)
const logger = createLogger({ level: env.LOG_LEVEL, role: 'front' })
const tracer = await loadTracer(env, 'front', logger)

const front = composeFront(env, logger, {
  circuitOpened: reason => parent.send({ type: 'circuit-opened', reason }),
  quotaFound: () => parent.send({ type: 'quota-found' }),
  policiesLoaded: () => parent.send({ type: 'knows-policies' }),
  queuesInspected: queues => parent.send({ type: 'queues', queues }),
  frontsCounted: count => parent.send({ type: 'front-count', count }),
  tracer,
})
const connections = maxConnections(readOwnLimits())
if (connections < MAX_CONNECTIONS) {
  logger.warn(
    `the open file limit is low: this process accepts at most ${connections} connections instead of ${MAX_CONNECTIONS}`,
  )
}
const askHealth = instanceHealth(parent, inspectionTimeoutMs(env))
const slots = new ConnectionSlots({ max: connections, onClosed: () => front.metrics.connectionClosed() })
const app = buildApp({
  ...front.app,
  slots,
  metrics: { scrape: shareNextRun(instanceMetrics(parent)) },
  health: {
    isReady: front.isReady,
    // Falls back to this process's own view if the primary does not answer.
    instance: shareRun(() => askHealth().catch(async () => healthOfInstance(await front.stores())), 0),
    version,
  },
})

const reports = new MetricsReports(front.metrics.registry, parent)
const reportStores = async () => parent.send({ type: 'stores', stores: await front.stores() })
parent.onMessage(({ type }) => type === 'examine-stores' && void reportStores())
parent.onMessage(message => message.type === 'queues' && front.resumeQueueWatch(message.queues))
parent.onMessage(message => message.type === 'front-count' && front.resumeFrontCount(message.count))
parent.send({ type: 'query-observations' })

const [host, ...additionalHosts] = listenAddresses(env.HOST)
const additional = additionalHosts.map(host => ({ host, listener: forwardingListener(app.server) }))
const additionalListeners = additional.map(({ listener }) => listener)
const resp = env.RESP_PORT === undefined ? undefined : buildRespServer({ ...front.resp, slots })
const respListeners =
  resp === undefined ? [] : listenAddresses(env.HOST).map(host => ({ host, listener: resp.createListener() }))
const grpc = env.GRPC_PORT === undefined ? undefined : buildGrpcServer({ ...front.grpc, slots })
const grpcListeners =
  grpc === undefined ? [] : listenAddresses(env.HOST).map(host => ({ host, listener: grpc.createListener() }))
const otherListeners = [...additionalListeners, ...[...respListeners, ...grpcListeners].map(({ listener }) => listener)]
const listeners = [app.server, ...otherListeners]

let isStopping = false
/** Until when a stop serves open connections, by `performance.now()`. */
let servedUntilMs = Number.POSITIVE_INFINITY
const drain = ({ drainMs, replaced }: StopRequest) => {
  isStopping = true
  servedUntilMs = Math.min(servedUntilMs, performance.now() + drainMs)
  front.drain(replaced)
}

let listening: Promise<unknown> = Promise.resolve()
stopOnRequest(
  async request => {
    const { replaced, orphaned } = request
    drain(request)
    // node:cluster throws if the server is closed before its reply to `listen` arrives.
    await listening.catch(() => undefined)
    if (replaced) listeners.forEach(stopAccepting)
    if (replaced) grpc?.goAway()
    await drained(listeners, () => servedUntilMs)
    // How long what waits at the start of a stop may wait for its turn, in ms.
    const waitingMs = env.SHUTDOWN_TIMEOUT_MS / 5
    if (!replaced && !orphaned) await endHandovers(parent, waitingMs)
    front.endWaits()
    const listenersClosed = otherListeners.map(closeListener)
    // What waits for the store is decided without it after this time.
    const answeringMs = env.REDIS_TIMEOUT_MS
    await Promise.all([app.close(), resp?.close(answeringMs, waitingMs), grpc?.close(answeringMs), ...listenersClosed])
    await front.close()
    await tracer?.close()
    await reports.sendFinal()
  },
  {
    parent,
    timeoutMs: env.SHUTDOWN_TIMEOUT_MS,
    onSooner: drain,
    beforeForcedExit: () => reports.sendFinal(),
    logger,
  },
)

try {
  await front.start(askOthers(parent, inspectionTimeoutMs(env)))
  // A stop that has begun meanwhile would not wait for new connections.
  if (!isStopping) {
    parent.send({ type: 'about-to-listen' })
    listening = listen()
    await listening
    parent.send({ type: 'ready' })
  }
} catch (err) {
  await exitWithReport(err, parent)
}

/** The settings. They can be invalid although the primary has started with them: files that they name can have changed. */
async function ownEnv(parent: ParentLink): Promise<Env> {
  try {
    return readEnv({ needsRedis: true })
  } catch (err) {
    return await exitWithReport(err, parent)
  }
}

function listen(): Promise<unknown> {
  const { PORT: port, RESP_PORT: respPort = 0, GRPC_PORT: grpcPort = 0 } = env
  const http = [
    app.listen({ host, port, backlog: BACKLOG }),
    ...additional.map(({ host, listener }) => listenOn(listener, host, port)),
  ]
  const resp = respListeners.map(({ host, listener }) => listenOn(listener, host, respPort))
  const grpc = grpcListeners.map(({ host, listener }) => listenOn(listener, host, grpcPort))
  return Promise.all([
    Promise.all(http).catch(cannotListen('PORT', port)),
    Promise.all(resp).catch(cannotListen('RESP_PORT', respPort)),
    Promise.all(grpc).catch(cannotListen('GRPC_PORT', grpcPort)),
  ])
}

function cannotListen(variable: string, port: number) {
  return (err: NodeJS.ErrnoException): never => {
    throw new CannotStart(listenFault({ host: env.HOST, port, variable }, err))
  }
}
