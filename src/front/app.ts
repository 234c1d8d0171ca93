import { maxHeaderSize, type Server } from 'node:http'
import { type FastifyError, type FastifyListenOptions, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import type { Callers } from '../access/callers.ts'
import { overloaded } from '../access/overload.ts'
import type { ConnectionSlots } from '../connections/connection-slots.ts'
import { Connections } from '../connections/connections.ts'
import { stopAccepting } from '../connections/drained.ts'
import type { LargeRequests } from '../connections/large-requests.ts'
import { LingeringClose } from '../connections/lingering-close.ts'
import { readingTurns } from '../connections/paced-reading.ts'
import { watchFields } from '../connections/parsers.ts'
import { RequestTurns } from '../connections/request-turns.ts'
import type { SharedBound } from '../connections/shared-bound.ts'
import { SlowClients } from '../connections/slow-clients.ts'
import { UnfinishedRequests } from '../connections/unfinished-requests.ts'
import { UnreadBodies } from '../connections/unread-bodies.ts'
import { ArrivingBodies } from '../http/arriving-bodies.ts'
import { type Access, Authentication } from '../http/auth.ts'
import { headProblem, versionUnsupported } from '../http/head-problem.ts'
import type { OnRequest } from '../http/hook.ts'
import { acceptOnlyJson } from '../http/json-body.ts'
import { LongReads } from '../http/long-reads.ts'
import { MAX_FIELDS, rejectMalformedRequests, rejectTooManyFields, rejectTunnels } from '../http/malformed-requests.ts'
import { answerUnreadablePath, answerUnrouted, RouteMap } from '../http/methods.ts'
import { answerErrors, answerProblems } from '../http/problem.ts'
import { parseQuery } from '../http/query.ts'
import { requestIdOf } from '../http/request-id.ts'
import { RequestLog } from '../http/request-log.ts'
import { RequestSpans } from '../http/request-spans.ts'
import { serializeLazily } from '../http/serialize-lazily.ts'
import { trustHops } from '../http/trusted-hops.ts'
import { validateStrictly } from '../http/validate-strictly.ts'
import type { Problem } from '../lib/errors.ts'
import type { CallLog } from '../observability/call-log.ts'
import type { Tracing } from '../tracing/tracer.ts'
import { PlainChecks } from './plain-checks.ts'
import { addRoutes, type RouteDependencies } from './routes.ts'

/** Bounds of a body, unless its route has others. A policy with the most limits has 50 members and items. */
const BODY = { maxBytes: 64 * 1024, maxElements: 200 }

/** As long as the whole head of a request may be, so that a long key is refused as a key. */
const MAX_PARAM_CHARACTERS = maxHeaderSize

/** Fastify's error for RTSP methods, which Node's parser accepts and no router knows. No hook has run then. */
const NOT_ROUTED = 'FST_ERR_NOT_FOUND'

export interface AppDependencies extends Omit<RouteDependencies, 'log' | 'requestSpans' | 'bodies' | 'reads'> {
  readonly callers: Callers
  /** Aborts when the process begins to drain. */
  readonly drain: AbortSignal
  /** Whether the process is overloaded. */
  readonly isOverloaded: () => boolean
  readonly keepAliveTimeoutMs: number
  /** How long bodies are still received once the server closes, in ms. */
  readonly closingBodiesMs: number
  readonly slots: ConnectionSlots
  /** Memory that all clients share. */
  readonly memory: SharedBound
  readonly largeRequests: LargeRequests
  /** Proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[]
  readonly calls: CallLog
  /** Returns the problem, with the reason if a store has failed. */
  explainFailure(problem: Problem): Problem
  /** Absent if nothing is traced. */
  readonly tracing: Tracing | undefined
}

export interface App {
  readonly server: Server
  listen(options: FastifyListenOptions): Promise<unknown>
  /** Accepts no more connections. Resolves when the requests that have arrived are answered, and every connection is closed. */
  close(): Promise<void>
}

/** The HTTP service as a function of its dependencies. It does not listen yet. */
export function buildApp(deps: AppDependencies): App {
  const routes = new RouteMap()
  /** Of bodies that nobody reads. */
  const discarding = readingTurns()
  const { largeRequests, memory } = deps
  const bodies = new ArrivingBodies({ memory, discarding, largeRequests })
  const log = new RequestLog(deps.calls)
  const requestSpans = new RequestSpans(deps)
  const answerProblem = answerProblems(log, deps.explainFailure)
  const handleError = answerErrors(answerProblem)
  // Fastify gets no logger: it would create one for each request, which costs more than a decision.
  const app = fastify({
    genReqId: requestIdOf,
    routerOptions: { maxParamLength: MAX_PARAM_CHARACTERS, querystringParser: parseQuery },
    keepAliveTimeout: deps.keepAliveTimeoutMs,
    trustProxy: deps.trustedProxies.length > 0 && trustHops(deps.trustedProxies),
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    clientErrorHandler: (err, socket) => rejectMalformed(err, socket),
    // Paths that cannot be decoded end here, before any hook has run.
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
    // Node's own response would have none of our fields; see `headProblem`.
    http: { requireHostHeader: false },
  })
  // For the same reason an unknown `Expect` is ignored.
  app.server.on('checkExpectation', (...exchange) => app.server.emit('request', ...exchange))
  // A client may shut down its side after its request. Node's types do not declare this option.
  Object.assign(app.server, { httpAllowHalfOpen: true })

  const turns = new RequestTurns(app.server)
  const connections = new Connections(app.server, deps)
  const slowClients = new SlowClients(connections, memory)
  const unreadBodies = new UnreadBodies(app.server, discarding)
  const lingeringClose = new LingeringClose(app.server, { unreadBodies, turns: discarding })
  // Then clients reconnect, to another process.
  deps.drain.addEventListener('abort', () => connections.closeAfterResponses())
  const rejectMalformed = rejectMalformedRequests({ connections, lingeringClose })
  watchFields(app.server, MAX_FIELDS, rejectTooManyFields(rejectMalformed))
  new UnfinishedRequests(app.server, {
    refuseLate: connection => rejectMalformed({ code: 'ERR_HTTP_REQUEST_TIMEOUT' }, connection),
    memory,
  })
  app.server.on('connect', rejectTunnels({ connections, lingeringClose }))

  app.setErrorHandler<FastifyError | Problem>((err, request, reply) => {
    if (err.code !== NOT_ROUTED) return handleError(err, request, reply)
    writeCommonFields(request, reply)
    forbidSniffing(reply)
    return handleError(versionUnsupported(), request, reply)
  })
  acceptOnlyJson(app, { bodies, ...BODY })
  validateStrictly(app)
  serializeLazily(app)

  app.addHook('onRequest', (request, reply, done) => {
    // Bytes that arrived before the client was disconnected are still parsed.
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

  // Neither a log of every request nor a trace knows of them.
  const hasPlainChecks = !deps.calls.isVerbose && deps.tracing === undefined
  if (hasPlainChecks) new PlainChecks(app.server, { ...deps, log, connections, turns, answerProblem })

  const authentication = new Authentication(app, deps.callers)
  const refuseWhenOverloaded = overloadHook(deps.isOverloaded)
  const inOrder: OnRequest = (_request, reply, done) => connections.whenNext(reply.raw, done)
  const hooksFor = (url: string, access: Access | undefined): readonly OnRequest[] => [
    ...requestSpans.hooksFor(access),
    // Checks are decided together. Other responses can be large, so a client gets one at a time, as it reads them.
    ...(access === 'check' ? [] : [inOrder]),
    ...(access === undefined ? [] : [refuseWhenOverloaded]),
    ...(access === 'check' ? [] : [sniffingHook]),
    ...log.hooksFor(url, access),
    ...authentication.hooksFor(access),
  ]
  // Each route gets only the hooks that it needs: every hook costs a check something.
  app.addHook('onRoute', route => {
    routes.add(route.url, [route.method].flat())
    route.onRequest = [...hooksFor(route.url, route.config?.access), ...[route.onRequest ?? []].flat()]
  })

  addRoutes(app, { ...deps, log, requestSpans, bodies, reads: new LongReads(deps.closing, memory) })
  return {
    server: app.server,
    listen: options => app.listen(options),
    close: async () => {
      stopAccepting(app.server)
      await slowClients.close(deps.closingBodiesMs)
      // Last: once Fastify closes, it announces the end of a connection by every response, even if further ones wait.
      await app.close()
    },
  }
}

/** Sets the fields of every response. */
function writeCommonFields(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('x-request-id', request.id)
  reply.header('cache-control', 'no-store')
}

/** Not for checks: only programs read their responses, which are kept short. */
function forbidSniffing(reply: FastifyReply): void {
  reply.header('x-content-type-options', 'nosniff')
}

const sniffingHook: OnRequest = (_request, reply, done) => {
  forbidSniffing(reply)
  done()
}

/** Routes that watch the service answer even when it is overloaded, so they have no such hook. */
function overloadHook(isOverloaded: () => boolean): OnRequest {
  return (_request, _reply, done) => {
    if (isOverloaded()) done(overloaded())
    else done()
  }
}
