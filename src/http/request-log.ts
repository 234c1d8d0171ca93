import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Problem } from '../errors.ts'
import type { LoggedKey } from '../log-keys.ts'
import type { Logger } from '../logger.ts'
import type { Access } from './auth.ts'
import type { OnRequest } from './hook.ts'
import { LineBudget } from './line-budget.ts'

/** A check that takes longer is worth a line, ms. */
const SLOW_CHECK_MS = 250

/** When all checks fail, what each line costs would only make it worse. */
const MOST_CHECK_LINES_A_SECOND = 50

interface RequestLogOptions {
  readonly logger: Logger
  readonly loggedKey: LoggedKey
}

/** One line for each request that is not a check. A check has one where it failed or was slow; at `debug`, each has. */
export class RequestLog {
  readonly #logger: Logger
  readonly #loggedKey: LoggedKey
  readonly #checkLines = new LineBudget(MOST_CHECK_LINES_A_SECOND, () => performance.now())

  constructor({ logger, loggedKey }: RequestLogOptions) {
    this.#logger = logger
    this.#loggedKey = loggedKey
  }

  /** For a route of that access. */
  hooksFor(access: Access | undefined): readonly OnRequest[] {
    if (access === 'check' && !this.#logger.isLevelEnabled('debug')) return []
    const hook: OnRequest = (request, reply, done) => {
      this.watch(request, reply)
      done()
    }
    return [hook]
  }

  /** @param ms how long the check took */
  checked(request: FastifyRequest, ms: number): void {
    if (ms < SLOW_CHECK_MS) return
    this.#checkLine(leftOut => this.#logger.warn({ ...this.#line(request), ms: rounded(ms), leftOut }, 'slow check'))
  }

  /** A request is answered with a problem that is not the caller's doing. */
  failed(request: FastifyRequest, problem: Problem): void {
    const { code, cause: err, detail } = problem
    const write = (leftOut?: number) => {
      const level = code === 'internal' ? 'error' : 'warn'
      this.#logger[level](
        { ...this.#line(request), code, err, leftOut },
        code === 'internal' ? 'internal error' : detail,
      )
    }
    if (isCheck(request)) this.#checkLine(write)
    else write()
  }

  #checkLine(write: (leftOut: number | undefined) => void): void {
    const leftOut = this.#checkLines.take()
    if (leftOut !== undefined) write(leftOut || undefined)
  }

  /** Writes a line once the request has ended: `close` comes for every one, also for those that a caller gave up. */
  watch(request: FastifyRequest, reply: FastifyReply): void {
    const startMs = performance.now()
    reply.raw.once('close', () => {
      const status = reply.raw.writableFinished ? reply.statusCode : 'aborted'
      const line = { ...this.#line(request), status, ms: rounded(performance.now() - startMs) }
      this.#logger[isCheck(request) ? 'debug' : 'info'](line, 'request')
    })
  }

  #line(request: FastifyRequest) {
    const { id: requestId, method, actor, ip: address } = request
    return { requestId, method, path: this.#path(request), key: this.#key(request), actor, address }
  }

  /** The path as it was asked for, but for keys; of a path that no route has, nobody knows what it bears. */
  #path({ routeOptions, params }: FastifyRequest): string | undefined {
    return routeOptions.url?.replace(/:(\w+)/g, (_, name: string) => {
      const value = (params as Record<string, string>)[name] ?? ''
      return name === 'key' ? (this.#loggedKey(value) ?? '-') : encodeURIComponent(value)
    })
  }

  /** The key that a body or a query bears. */
  #key({ body, query }: FastifyRequest): string | undefined {
    const key = (body as Bearer)?.key ?? (query as Bearer)?.key
    return typeof key === 'string' ? this.#loggedKey(key) : undefined
  }
}

type Bearer = { readonly key?: unknown } | null | undefined

function isCheck({ routeOptions }: FastifyRequest): boolean {
  return routeOptions.config.access === 'check'
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100
}
