import { maxHeaderSize } from 'node:http'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import { Problem } from './errors.ts'
import { type AuthOptions, authenticate } from './http/auth.ts'
import { acceptOnlyJson } from './http/json-body.ts'
import { answerUnreadablePath, answerUnroutedRequests, RouteMap } from './http/methods.ts'
import { answerErrors, refuseGarbage } from './http/problem.ts'
import { requestIdOf } from './http/request-id.ts'
import { RequestLog } from './http/request-log.ts'
import { CONNECTION_CHECK_INTERVAL_MS, HEADERS_TIMEOUT_MS, SlowClients } from './http/slow-clients.ts'
import { validateStrictly } from './http/validation.ts'
import type { LoggedKey } from './log-keys.ts'
import type { Logger } from './logger.ts'
import { addRoutes, type RouteDependencies } from './routes.ts'

const MAX_BODY_BYTES = 64 * 1024

/** As long as a whole request's head may be, so that it is for the key to say that it is too long. */
const MAX_PARAM_CHARACTERS = maxHeaderSize

export interface AppDependencies extends Omit<RouteDependencies, 'log'> {
  readonly auth: AuthOptions
  readonly isDraining: () => boolean
  /** Whether the process has more to do than it can. */
  readonly isBehind: () => boolean
  readonly keepAliveTimeoutMs: number
  /** Whose `X-Forwarded-For` names the client. */
  readonly trustedProxies: readonly string[]
  readonly logger: Logger
  readonly loggedKey: LoggedKey
}

/** The HTTP service as a function of what it depends on; it does not listen yet. */
export function buildApp(deps: AppDependencies): FastifyInstance {
  const routes = new RouteMap()
  const log = new RequestLog(deps)
  const handleError = answerErrors(log)
  const writeCommonFields = commonFields(deps.isDraining)
  // Fastify gets no logger: it would make one for each request, which costs more than a decision.
  const app = fastify({
    genReqId: requestIdOf,
    bodyLimit: MAX_BODY_BYTES,
    routerOptions: { maxParamLength: MAX_PARAM_CHARACTERS },
    keepAliveTimeout: deps.keepAliveTimeoutMs,
    trustProxy: deps.trustedProxies.length > 0 && [...deps.trustedProxies],
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
    http: {
      requireHostHeader: false,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: CONNECTION_CHECK_INTERVAL_MS,
    },
  })
  // For the same reason an unknown `Expect` is ignored.
  app.server.on('checkExpectation', (request, response) => app.routing(request, response))

  const slowClients = new SlowClients(app.server)

  app.setErrorHandler(handleError)
  acceptOnlyJson(app)
  validateStrictly(app)

  app.addHook('onRequest', (request, reply, done) => {
    slowClients.begun(request.raw)
    writeCommonFields(request, reply)
    done(refusal(request, deps.isBehind))
  })
  log.attachTo(app)
  answerUnroutedRequests(app, routes)
  authenticate(app, deps.auth)

  addRoutes(app, { ...deps, log })
  return app
}

/** Writes the fields of every answer. A process that is about to stop asks its callers to connect anew, to another one. */
function commonFields(isDraining: () => boolean) {
  return (request: FastifyRequest, reply: FastifyReply): void => {
    reply.header('x-request-id', request.id)
    reply.header('cache-control', 'no-store')
    // A check is asked for by programs only, and its answer is kept as short as it can be.
    if (request.routeOptions.config.access !== 'check') reply.header('x-content-type-options', 'nosniff')
    if (isDraining()) reply.header('connection', 'close')
  }
}

/** Why a request is not looked at any further. Whoever watches the service is answered even when it is behind. */
function refusal(request: FastifyRequest, isBehind: () => boolean): Problem | undefined {
  if (isHostMissing(request)) return new Problem('validation-failed', 'the request names no Host')
  if (!isBehind() || request.routeOptions.config.access === undefined) return undefined
  return new Problem('overloaded', 'the process is further behind than EVENT_LOOP_LAG_MS allows')
}

/** @see https://www.rfc-editor.org/rfc/rfc9112#section-3.2 */
function isHostMissing({ headers, raw }: FastifyRequest): boolean {
  return headers.host === undefined && raw.httpVersion === '1.1'
}
