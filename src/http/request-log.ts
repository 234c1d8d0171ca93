import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Problem } from '../lib/errors.ts'
import { bounded, type CallKind, type CallLog, isSlow } from '../observability/call-log.ts'
import type { Access } from './auth.ts'
import type { OnRequest } from './hook.ts'

/** Monitoring systems request these every few seconds. */
const MONITORING_PATHS = new Set(['/health', '/ready', '/metrics'])

/** As many as can be decided together. */
const MAX_LOGGED_KEYS = 16

/**
 * Logs one line for each request that is neither a check nor a probe, within a budget; for a check only if it failed or was slow.
 * At level `debug`, logs every request.
 */
export class RequestLog {
  readonly #calls: CallLog

  constructor(calls: CallLog) {
    this.#calls = calls
  }

  /** The hooks of a route. */
  hooksFor(url: string, access: Access | undefined): readonly OnRequest[] {
    if (isQuiet(url, access) && !this.#calls.isVerbose) return []
    const hook: OnRequest = (request, reply, done) => {
      this.watch(request, reply)
      done()
    }
    return [hook]
  }

  /** @param ms duration of the check */
  checked(request: FastifyRequest, ms: number): void {
    if (isSlow(ms)) this.#calls.slow(ms, () => this.#line(request))
  }

  /** A request is answered with a problem that the service caused. */
  failed(request: FastifyRequest, problem: Problem): void {
    this.#calls.failed(kindOf(request), problem, () => this.#line(request))
  }

  /** Writes a line when the request has ended. `close` is emitted for every request, even if the caller has disconnected. */
  watch(request: FastifyRequest, reply: FastifyReply): void {
    const startMs = performance.now()
    const { config, url = '' } = request.routeOptions
    const level = isQuiet(url, config.access) ? 'debug' : 'info'
    reply.raw.once('close', () => {
      const status = reply.raw.writableFinished ? reply.statusCode : 'aborted'
      const describe = () => ({ ...this.#line(request), status })
      this.#calls.ended(level, kindOf(request), 'request', performance.now() - startMs, describe)
    })
  }

  #line(request: FastifyRequest) {
    const { id: requestId, method, actor, ip } = request
    return { requestId, method, path: this.#path(request), key: this.#key(request), actor, address: bounded(ip) }
  }

  /** The path with its keys redacted. An unknown path may contain anything, so it is left out. */
  #path({ routeOptions, params }: FastifyRequest): string | undefined {
    return routeOptions.url?.replace(/:(\w+)/g, (_, name: string) => {
      const value = (params as Record<string, string>)[name] ?? ''
      return (name === 'key' ? this.#calls.loggedKey(value) : bounded(encodeURIComponent(value))) ?? '-'
    })
  }

  /** The keys in a body or a query, unless there are many. */
  #key({ body, query }: FastifyRequest): string | undefined {
    const keys = [...keysIn(body), ...keysIn(query)].filter(key => typeof key === 'string')
    if (keys.length > MAX_LOGGED_KEYS) return undefined
    return bounded(keys.flatMap(key => this.#calls.loggedKey(key) ?? []).join(' ') || undefined)
  }
}

type Bearer = { readonly key?: unknown; readonly checks?: unknown } | null | undefined

function keysIn(bearer: unknown): readonly unknown[] {
  const { key, checks } = (bearer as Bearer) ?? {}
  return [key].flat().concat(Array.isArray(checks) ? checks.map(check => (check as Bearer)?.key) : [])
}

function isQuiet(url: string, access: Access | undefined): boolean {
  return access === 'check' || MONITORING_PATHS.has(url)
}

function kindOf({ isOperator, routeOptions }: FastifyRequest): CallKind {
  if (isOperator) return 'operator'
  return routeOptions.config.access === 'check' ? 'check' : 'other'
}
