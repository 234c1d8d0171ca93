import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify'
import { type CheckRoutesOptions, checkRoutes } from './check/check.route.ts'
import { type CommandRoutesOptions, commandRoutes } from './config-change/commands.route.ts'
import { type ConfigRoutesOptions, configRoutes } from './config-change/config.route.ts'
import { Problem } from './errors.ts'
import { type AuthOptions, authenticate } from './http/auth.ts'
import { type HealthRoutesOptions, healthRoutes } from './http/health.route.ts'
import { acceptOnlyJson } from './http/json-body.ts'
import { answerUnroutedRequests } from './http/methods.ts'
import { type MetricsRouteOptions, metricsRoute } from './http/metrics.route.ts'
import { handleError, rawProblem } from './http/problem.ts'
import { requestIdOf } from './http/request-id.ts'
import { validateStrictly } from './http/validation.ts'
import type { Logger } from './logger.ts'

const MAX_BODY_BYTES = 64 * 1024

/** Longer than any key may be, percent-encoded, so that a key that is too long is told so. */
const MAX_PARAM_CHARACTERS = 8 * 1024

export interface AppDependencies extends CheckRoutesOptions, ConfigRoutesOptions, CommandRoutesOptions {
  readonly auth: AuthOptions
  readonly health: HealthRoutesOptions
  readonly metrics: MetricsRouteOptions
  readonly keepAliveTimeoutMs: number
  readonly logger: Logger
}

/** The HTTP service as a function of what it depends on; it does not listen yet. */
export function buildApp(deps: AppDependencies): FastifyInstance {
  const app = fastify({
    loggerInstance: deps.logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    genReqId: requestIdOf,
    bodyLimit: MAX_BODY_BYTES,
    routerOptions: { maxParamLength: MAX_PARAM_CHARACTERS },
    keepAliveTimeout: deps.keepAliveTimeoutMs,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    clientErrorHandler: (err, socket) => {
      const detail = `what was sent is no HTTP/1.1 request: ${err.code}`
      if (socket.writable)
        socket.end(rawProblem(new Problem('validation-failed', detail), requestIdOf({ headers: {} })))
    },
  })

  app.setErrorHandler(handleError)
  acceptOnlyJson(app)
  validateStrictly(app)

  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    reply.header('cache-control', 'no-store')
    done()
  })
  answerUnroutedRequests(app)
  authenticate(app, deps.auth)
  logRequests(app)

  app.register(checkRoutes, deps)
  app.register(configRoutes, deps)
  app.register(commandRoutes, deps)
  app.register(healthRoutes, deps.health)
  app.register(metricsRoute, deps.metrics)
  return app
}

/** One line for each request that is not a check; the route's pattern stands for the path, which may bear a caller's key. */
function logRequests(app: FastifyInstance): void {
  app.addHook('onResponse', (request, reply, done) => {
    const { url: route, config } = request.routeOptions
    if (config.access !== 'check') {
      const { method, actor } = request
      request.log.info({ method, route, status: reply.statusCode, ms: reply.elapsedTime, actor }, 'request')
    }
    done()
  })
}
