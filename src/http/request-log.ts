import type { FastifyReply, FastifyRequest } from 'fastify'
import { cut } from '../lib/cut.ts'
import type { Problem } from '../lib/errors.ts'
import { LineBudget } from '../lib/line-budget.ts'
import type { LoggedKey } from '../observability/logged-keys.ts'
import type { Logger } from '../observability/logger.ts'
import type { Access } from './auth.ts'
import type { OnRequest } from './hook.ts'

/** A check that takes longer is logged, in ms. */
const SLOW_CHECK_MS = 250

/**
 * Lines a second for each kind of request. A line costs more than the request that it reports, and a flood of other requests must
 * not hide those of operators.
 */
const LINES_PER_SECOND = { check: 50, operator: 200, other: 50 }

/** Monitoring systems request these every few seconds. */
const MONITORING_PATHS = new Set(['/health', '/ready', '/metrics'])

/** Of a text that callers choose, so that the budget of lines also bounds their bytes. The longest valid key has as many. */
const MAX_LOGGED_CHARACTERS = 256

interface RequestLogOptions {
  readonly logger: Logger
  readonly loggedKey: LoggedKey
}

/**
 * Logs one line for each request that is neither a check nor a probe, within a budget; for a check only if it failed or was slow.
 * At level `debug`, logs every request.
 */
export class RequestLog {
  readonly #logger: Logger
  readonly #loggedKey: LoggedKey
  readonly #budgets = {
    check: new LineBudget(LINES_PER_SECOND.check, () => performance.now()),
    operator: new LineBudget(LINES_PER_SECOND.operator, () => performance.now()),
    other: new LineBudget(LINES_PER_SECOND.other, () => performance.now()),
  }

  constructor({ logger, loggedKey }: RequestLogOptions) {
    this.#logger = logger
    this.#loggedKey = loggedKey
  }

  /** The hooks of a route. */
  hooksFor(url: string, access: Access | undefined): readonly OnRequest[] {
    if (isQuiet(url, access) && !this.#logger.isLevelEnabled('debug')) return []
    const hook: OnRequest = (request, reply, done) => {
      this.watch(request, reply)
      done()
    }
    return [hook]
  }

  /** @param ms duration of the check */
  checked(request: FastifyRequest, ms: number): void {
    if (ms >= SLOW_CHECK_MS) this.#write('warn', request, { ms: rounded(ms) }, 'slow check')
  }

  /** A request is answered with a problem that the service caused. */
  failed(request: FastifyRequest, { code, cause: err, detail }: Problem): void {
    if (code === 'internal') this.#write('error', request, { code, err }, 'internal error')
    else this.#write('warn', request, { code, err }, detail)
  }

  /** Writes a line when the request has ended. `close` is emitted for every request, even if the caller has disconnected. */
  watch(request: FastifyRequest, reply: FastifyReply): void {
    const startMs = performance.now()
    const { config, url = '' } = request.routeOptions
    const level = isQuiet(url, config.access) ? 'debug' : 'info'
    reply.raw.once('close', () => {
      const status = reply.raw.writableFinished ? reply.statusCode : 'aborted'
      this.#write(level, request, { status, ms: rounded(performance.now() - startMs) }, 'request')
    })
  }

  #write(level: 'debug' | 'info' | 'warn' | 'error', request: FastifyRequest, fields: object, message: string): void {
    if (!this.#logger.isLevelEnabled(level)) return
    const suppressed = level === 'debug' ? 0 : this.#budgets[kindOf(request)].take()
    if (suppressed === undefined) return
    this.#logger[level]({ ...this.#line(request), ...fields, suppressed: suppressed || undefined }, message)
  }

  #line(request: FastifyRequest) {
    const { id: requestId, method, actor, ip } = request
    return { requestId, method, path: this.#path(request), key: this.#key(request), actor, address: bounded(ip) }
  }

  /** The path with its keys redacted. An unknown path may contain anything, so it is left out. */
  #path({ routeOptions, params }: FastifyRequest): string | undefined {
    return routeOptions.url?.replace(/:(\w+)/g, (_, name: string) => {
      const value = (params as Record<string, string>)[name] ?? ''
      return bounded(name === 'key' ? this.#loggedKey(value) : encodeURIComponent(value)) ?? '-'
    })
  }

  /** The key in a body or a query. */
  #key({ body, query }: FastifyRequest): string | undefined {
    const key = (body as Bearer)?.key ?? (query as Bearer)?.key
    return typeof key === 'string' ? bounded(this.#loggedKey(key)) : undefined
  }
}

type Bearer = { readonly key?: unknown } | null | undefined

function isQuiet(url: string, access: Access | undefined): boolean {
  return access === 'check' || MONITORING_PATHS.has(url)
}

function kindOf({ isOperator, routeOptions }: FastifyRequest): keyof typeof LINES_PER_SECOND {
  if (isOperator) return 'operator'
  return routeOptions.config.access === 'check' ? 'check' : 'other'
}

function bounded(text: string | undefined): string | undefined {
  return text && cut(text, MAX_LOGGED_CHARACTERS)
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100
}
