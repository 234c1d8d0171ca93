import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Problem } from '../lib/errors.ts'
import { type CallKind, type CallLog, isSlow } from '../observability/call-log.ts'
import type { Access } from './auth.ts'
import type { OnRequest } from './hook.ts'
import type { LoggedRequest } from './reply.ts'
import { requestLine } from './request-line.ts'

/** Monitoring systems request these every few seconds. */
const MONITORING_PATHS = new Set(['/health', '/ready', '/metrics'])

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
  checked(request: LoggedRequest, ms: number): void {
    if (isSlow(ms)) this.#calls.slow(ms, () => requestLine(request, this.#calls))
  }

  /** A request is answered with a problem that the service caused. */
  failed(request: LoggedRequest, problem: Problem): void {
    this.#calls.failed(kindOf(request), problem, () => requestLine(request, this.#calls))
  }

  /** Writes a line when the request has ended. `close` is emitted for every request, even if the caller has disconnected. */
  watch(request: FastifyRequest, reply: FastifyReply): void {
    const startMs = performance.now()
    const { config, url = '' } = request.routeOptions
    const level = isQuiet(url, config.access) ? 'debug' : 'info'
    reply.raw.once('close', () => {
      const status = reply.raw.writableFinished ? reply.statusCode : 'aborted'
      const describe = () => ({ ...requestLine(request, this.#calls), status })
      this.#calls.ended(level, kindOf(request), 'request', performance.now() - startMs, describe)
    })
  }
}

function isQuiet(url: string, access: Access | undefined): boolean {
  return access === 'check' || MONITORING_PATHS.has(url)
}

function kindOf({ isOperator, routeOptions }: LoggedRequest): CallKind {
  if (isOperator) return 'operator'
  return routeOptions.config.access === 'check' ? 'check' : 'other'
}
