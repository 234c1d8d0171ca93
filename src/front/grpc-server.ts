import { SHOULD_RATE_LIMIT, ShouldRateLimit, type ShouldRateLimitOptions } from '../check/envoy/should-rate-limit.ts'
import type { ConnectionSlots } from '../connections/connection-slots.ts'
import type { LargeRequests } from '../connections/large-requests.ts'
import type { SharedBound } from '../connections/shared-bound.ts'
import type { GrpcObserver, Method } from '../grpc/call.ts'
import { GrpcServer } from '../grpc/grpc-server.ts'
import { Health } from '../grpc/health.ts'
import { statusOf } from '../grpc/status.ts'
import { UNKNOWN_METHOD } from '../grpc/unknown-method.ts'
import { Problem } from '../lib/errors.ts'
import { LineBudget } from '../lib/line-budget.ts'
import type { Logger } from '../observability/logger.ts'
import type { Tracing } from '../tracing/tracer.ts'
import { TracedMethod } from './traced-method.ts'

/** Of the connections of a process. One of HTTP/2 takes 23 to 50 KB of memory, several times as much as others. */
const SHARE_OF_CONNECTIONS = 0.2

/** Log lines a second about floods. */
const MAX_FLOOD_LINES = 1

/** In spans: the names that callers make up would be too many. @see https://opentelemetry.io/docs/specs/semconv/rpc/grpc/ */
const OTHER_METHODS = '/_OTHER'

export interface GrpcDependencies extends ShouldRateLimitOptions {
  readonly slots: ConnectionSlots
  /** That all clients share. */
  readonly memory: SharedBound
  readonly observer: GrpcObserver
  readonly largeRequests: LargeRequests
  /** Aborts when the instance stops, but not when another process replaces this one. */
  readonly stop: AbortSignal
  /** Absent if nothing is traced. */
  readonly tracing?: Tracing | undefined
  readonly logger: Logger
}

/** The service over gRPC. It does not listen yet. */
export function buildGrpcServer(deps: GrpcDependencies): GrpcServer {
  const { slots, memory, observer, largeRequests, stop, calls, tracing, logger } = deps
  const traced = (path: string, method: Method) =>
    tracing === undefined ? method : new TracedMethod(path, method, tracing)
  const health = new Health(['ratelimit'], stop)
  return new GrpcServer({
    methods: new Map([[SHOULD_RATE_LIMIT, traced(SHOULD_RATE_LIMIT, new ShouldRateLimit(deps))], ...health.methods]),
    unknownMethod: traced(OTHER_METHODS, UNKNOWN_METHOD),
    slots: slots.part(SHARE_OF_CONNECTIONS),
    memory,
    observer,
    largeRequests,
    flooded: reportFloods(logger),
    failed: cause => {
      const problem = new Problem('internal', 'the service could not answer; its log has the reason', { cause })
      calls.failed('other', problem, () => ({ protocol: 'grpc' }))
      return statusOf(problem)
    },
  })
}

/** Logs clients that send floods, within a budget. */
function reportFloods(logger: Logger): (client: string) => void {
  const lines = new LineBudget(MAX_FLOOD_LINES, () => performance.now())
  return client => {
    const suppressed = lines.take()
    if (suppressed === undefined) return
    const what = 'a client of gRPC sent too many bytes besides calls, or reset too many calls'
    logger.warn({ client, suppressed: suppressed || undefined }, `${what}: its address can open no connection for 10 s`)
  }
}
