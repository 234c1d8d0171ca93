/** One front process: builds the app, listens, and stops in an orderly way. Started by cluster.ts. */
import { buildApp } from './app.ts'
import { frontDependencies } from './dependencies.ts'
import { readEnv } from './env.ts'
import { exitWithReport } from './exit-with-report.ts'
import { drained, stopAccepting } from './http/drained.ts'
import { createLogger } from './logger.ts'
import { surviveLostPrimary } from './processes/front-process.ts'
import { ParentLink } from './processes/parent-link.ts'
import { ScrapeClient, textIn } from './processes/scrape-client.ts'
import { CannotStart } from './processes/supervised-process.ts'
import { stopOnRequest } from './shutdown.ts'

process.title = 'throttler front'
const env = readEnv({ needsRedis: true })
const logger = createLogger({ level: env.LOG_LEVEL, role: 'front' })
const parent = ParentLink.ofThisProcess()
if (parent === undefined) throw new Error('server.ts is started by cluster.ts')
surviveLostPrimary()

const front = frontDependencies(env, logger)
const { registry } = front.metrics
const scrapes = new ScrapeClient(parent, textIn)
const app = buildApp({ ...front.app, metrics: { scrape: () => scrapes.scrape() } })

const reportMetrics = async () => parent.sendLast({ type: 'metrics', metrics: await registry.getMetricsAsJSON() })
parent.onMessage(({ type }) => type === 'collect' && void reportMetrics())

let listening: Promise<unknown> = Promise.resolve()
stopOnRequest(
  async ({ drainMs, replaced }) => {
    front.drain()
    // node:cluster throws if its answer to a listen finds the server closed.
    await listening.catch(() => undefined)
    if (replaced) stopAccepting(app.server)
    await drained(app.server, drainMs)
    front.endWaits()
    await app.close()
    await front.close()
    await reportMetrics()
  },
  { parent, timeoutMs: env.SHUTDOWN_TIMEOUT_MS, logger },
)

try {
  await front.start()
  parent.send({ type: 'listens-next' })
  listening = app.listen({ host: env.HOST, port: env.PORT }).catch(cannotListen)
  await listening
  parent.send({ type: 'ready' })
} catch (err) {
  await exitWithReport(err, parent)
}

function cannotListen(err: Error): never {
  throw new CannotStart(`cannot listen on ${env.HOST}:${env.PORT}: ${err.message}`)
}
