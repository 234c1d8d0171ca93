import { maxHeaderSize } from 'node:http'
import { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import { Connections } from '../connections/connections.ts'
import { MAX_CONNECTIONS } from '../connections/max-connections.ts'
import { HEADERS_TIMEOUT_MS, SlowClients } from '../connections/slow-clients.ts'
import { ArrivingBodies } from '../http/arriving-bodies.ts'
import { type Access, Authentication, type AuthOptions } from '../http/auth.ts'
import { headProblem, versionUnsupported } from '../http/head-problem.ts'
import type { OnRequest } from '../http/hook.ts'
import { acceptOnlyJson } from '../http/json-body.ts'
import { rejectMalformedRequests, rejectTunnels } from '../http/malformed-requests.ts'
import { answerUnreadablePath, answerUnrouted, RouteMap } from '../http/methods.ts'
import { answerErrors } from '../http/problem.ts'
import { requestIdOf } from '../http/request-id.ts'
import { RequestLog } from '../http/request-log.ts'
import { validateStrictly } from '../http/validate-strictly.ts'
import { Problem } from '../lib/errors.ts'
import type { LoggedKey } from '../observability/logged-keys.ts'
import type { Logger } from '../observability/logger.ts'
import { addRoutes, type RouteDependencies } from './routes.ts'

/** What a body may have, unless its route says otherwise. */
const BODY = { maxBytes: 64 * 1024, maxElements: 1_000 }

/** Interval between looks for requests whose head is late, in ms. */
const HEADERS_CHECK_INTERVAL_MS = 2_500

/** For bodies that are still arriving, all together. */
const MAX_ARRIVING_BYTES = 64 * 1024 * 1024

/** As long as a whole request's head may be, so that it is for the key to say that it is too long. */
const MAX_PARAM_CHARACTERS = maxHeaderSize

/** Fastify's error for a method of RTSP, which Node's parser accepts and no router knows. No hook has run. */
const NOT_ROUTED = 'FST_ERR_NOT_FOUND'

export interface AppDependencies extends Omit<RouteDependencies, 'log' | 'bodies'> {
  readonly auth: AuthOptions
  readonly isDraining: () => boolean
  /** Whether the process has more to do than it can. */
  readonly isBehind: () => boolean
  readonly keepAliveTimeoutMs: number
  /** Beyond so many, a new connection is closed at once. Default: 10,000. */
  readonly maxConnections?: number
  /** A connection was closed because there were too many. */
  readonly onConnectionRefused: () => void
  /** Whose `X-Forwarded-For` names the client. */
  readonly trustedProxies: readonly string[]
  readonly logger: Logger
  readonly loggedKey: LoggedKey
}

/** The HTTP service as a function of what it depends on; it does not listen yet. */
export function buildApp(deps: AppDependencies): FastifyInstance {
  const routes = new RouteMap()
  const bodies = new ArrivingBodies(MAX_ARRIVING_BYTES)
  const log = new RequestLog(deps)
  const handleError = answerErrors(log)
  const writeCommonFields = commonFields(deps.isDraining)
  // Fastify gets no logger: it would make one for each request, which costs more than a decision.
  const app = fastify({
    genReqId: requestIdOf,
    routerOptions: { maxParamLength: MAX_PARAM_CHARACTERS },
    keepAliveTimeout: deps.keepAliveTimeoutMs,
    trustProxy: deps.trustedProxies.length > 0 && [...deps.trustedProxies],
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    clientErrorHandler: (err, socket) => rejectMalformed(err, socket),
    // Paths that cannot be decoded are reported here, before any hook has run.
    frameworkErrors: (_err, request, reply) => {
      writeCommonFields(request, reply)
      forbidSniffing(reply)
      try {
        const problem = headProblem(request.raw)
        if (problem !== undefined) throw problem
        answerUnreadablePath(request, reply, routes)
      } catch (err) {
        handleError(err as Problem, request, reply)
      }
    },
    // Node's own answer would bear none of our fields; see `headProblem`.
    http: {
      requireHostHeader: false,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: HEADERS_CHECK_INTERVAL_MS,
    },
  })
  // For the same reason an unknown `Expect` is ignored.
  app.server.on('checkExpectation', (...exchange) => app.server.emit('request', ...exchange))
  // A client may shut down its side once it has sent its request. Node's types do not know this.
  Object.assign(app.server, { httpAllowHalfOpen: true })

  const connections = new Connections(app.server, {
    max: deps.maxConnections ?? MAX_CONNECTIONS,
    onRefused: deps.onConnectionRefused,
  })
  new SlowClients(app.server, connections)
  const rejectMalformed = rejectMalformedRequests(connections)
  app.server.on('connect', rejectTunnels(connections))

  app.setErrorHandler<FastifyError | Problem>((err, request, reply) => {
    if (err.code !== NOT_ROUTED) return handleError(err, request, reply)
    writeCommonFields(request, reply)
    forbidSniffing(reply)
    return handleError(versionUnsupported(), request, reply)
  })
  acceptOnlyJson(app, { bodies, ...BODY })
  validateStrictly(app)

  app.addHook('onRequest', (request, reply, done) => {
    // What its client had sent before it was disconnected is still parsed.
    if (request.raw.socket.destroyed) return
    writeCommonFields(request, reply)
    const problem = headProblem(request.raw)
    if (problem !== undefined) done(problem)
    else if (request.is404) {
      forbidSniffing(reply)
      log.watch(request, reply)
      answerUnrouted(request, reply, routes)
    } else done()
  })

  const authentication = new Authentication(app, deps.auth)
  const refuseWhenBehind = behindHook(deps.isBehind)
  const inOrder: OnRequest = (_request, reply, done) => connections.whenNext(reply.raw, done)
  const hooksFor = (url: string, access: Access | undefined): readonly OnRequest[] => [
    // Checks are decided together. Other isFulfilled can be large, so a client gets them one by one, as it reads them.
    ...(access === 'check' ? [] : [inOrder]),
    ...(access === undefined ? [] : [refuseWhenBehind]),
    ...(access === 'check' ? [] : [sniffingHook]),
    ...log.hooksFor(url, access),
    ...authentication.hooksFor(access),
  ]
  // Each route gets the hooks that it needs and no others, as none is free for a check.
  app.addHook('onRoute', route => {
    routes.add(route.url, [route.method].flat())
    route.onRequest = [...hooksFor(route.url, route.config?.access), ...[route.onRequest ?? []].flat()]
  })

  addRoutes(app, { ...deps, log, bodies })
  return app
}

/** Writes the fields of every answer. A process that is about to stop asks its callers to connect anew, to another one. */
function commonFields(isDraining: () => boolean) {
  return (request: FastifyRequest, reply: FastifyReply): void => {
    reply.header('x-request-id', request.id)
    reply.header('cache-control', 'no-store')
    if (isDraining()) reply.header('connection', 'close')
  }
}

/** For all but checks, which are asked for by programs only, and whose isFulfilled are kept as short as they can be. */
function forbidSniffing(reply: FastifyReply): void {
  reply.header('x-content-type-options', 'nosniff')
}

const sniffingHook: OnRequest = (_request, reply, done) => {
  forbidSniffing(reply)
  done()
}

/** Whoever watches the service is answered even when it is behind. */
function behindHook(isBehind: () => boolean): OnRequest {
  return (_request, _reply, done) => {
    if (isBehind()) done(new Problem('overloaded', 'the process is further behind than EVENT_LOOP_LAG_MS allows'))
    else done()
  }
}
