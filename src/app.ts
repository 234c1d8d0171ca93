import { maxHeaderSize } from 'node:http'
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  LogController,
} from 'fastify'
import { batchRoute } from './check/batch.route.ts'
import { bucketRoutes } from './check/buckets.route.ts'
import { type CheckRoutesOptions, checkRoutes } from './check/check.route.ts'
import { forwardAuthRoute } from './check/forward-auth.route.ts'
import { type CommandRoutesOptions, commandRoutes } from './config-change/commands.route.ts'
import { type ConfigRoutesOptions, configRoutes } from './config-change/config.route.ts'
import { Problem } from './errors.ts'
import { type AuthOptions, authenticate } from './http/auth.ts'
import { type HealthRoutesOptions, healthRoutes } from './http/health.route.ts'
import { acceptOnlyJson } from './http/json-body.ts'
import { answerUnreadablePath, answerUnroutedRequests, RouteMap } from './http/methods.ts'
import { type MetricsRouteOptions, metricsRoute } from './http/metrics.route.ts'
import { handleError, refuseGarbage } from './http/problem.ts'
import { requestIdOf } from './http/request-id.ts'
import { validateStrictly } from './http/validation.ts'
import type { Logger } from './logger.ts'

const MAX_BODY_BYTES = 64 * 1024

/** As long as a whole request's head may be, so that it is for the key to say that it is too long. */
const MAX_PARAM_CHARACTERS = maxHeaderSize

export interface AppDependencies extends CheckRoutesOptions, ConfigRoutesOptions, CommandRoutesOptions {
  readonly auth: AuthOptions
  readonly health: HealthRoutesOptions
  readonly metrics: MetricsRouteOptions
  readonly keepAliveTimeoutMs: number
  readonly logger: Logger
}

/** The HTTP service as a function of what it depends on; it does not listen yet. */
export function buildApp(deps: AppDependencies): FastifyInstance {
  const routes = new RouteMap()
  const app = fastify({
    loggerInstance: deps.logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    genReqId: requestIdOf,
    bodyLimit: MAX_BODY_BYTES,
    routerOptions: { maxParamLength: MAX_PARAM_CHARACTERS },
    keepAliveTimeout: deps.keepAliveTimeoutMs,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    clientErrorHandler: (err, socket) => refuseGarbage(err, socket, requestIdOf({ headers: {} })),
    // Paths that cannot be decoded are reported here, before any hook has run.
    frameworkErrors: (_err, request, reply) => {
      writeCommonFields(request, reply)
      try {
        answerUnreadablePath(request, reply, routes)
      } catch (err) {
        handleError(err as Problem, request, reply)
      }
    },
    // Node's own answer would bear none of our fields; see `isHostMissing`.
    http: { requireHostHeader: false },
  })
  // For the same reason an unknown `Expect` is ignored.
  app.server.on('checkExpectation', (request, response) => app.routing(request, response))

  app.setErrorHandler(handleError)
  acceptOnlyJson(app)
  validateStrictly(app)

  app.addHook('onRequest', (request, reply, done) => {
    writeCommonFields(request, reply)
    done(isHostMissing(request) ? new Problem('validation-failed', 'the request names no Host') : undefined)
  })
  answerUnroutedRequests(app, routes)
  authenticate(app, deps.auth)
  logRequests(app)

  app.register(checkRoutes, deps)
  app.register(batchRoute, deps)
  app.register(forwardAuthRoute, deps)
  app.register(bucketRoutes, deps)
  app.register(configRoutes, deps)
  app.register(commandRoutes, deps)
  app.register(healthRoutes, deps.health)
  app.register(metricsRoute, deps.metrics)
  return app
}

/** The fields of every answer. */
function writeCommonFields(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('x-request-id', request.id)
  reply.header('cache-control', 'no-store')
}

/** @see https://www.rfc-editor.org/rfc/rfc9112#section-3.2 */
function isHostMissing({ headers, raw }: FastifyRequest): boolean {
  return headers.host === undefined && raw.httpVersion === '1.1'
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
