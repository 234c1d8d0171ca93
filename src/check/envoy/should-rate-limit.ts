import { bearerToken } from '../../access/bearer.ts'
import type { Callers } from '../../access/callers.ts'
import { overloaded } from '../../access/overload.ts'
import type { Call, Method, Responder } from '../../grpc/call.ts'
import { type Status, statusOf } from '../../grpc/status.ts'
import { Problem } from '../../lib/errors.ts'
import { type CallLog, isSlow } from '../../observability/call-log.ts'
import { decodeRequest, fieldsIn, type RateLimitRequest } from './rate-limit-request.ts'
import { encodeResponse, type RateLimitResponse } from './rate-limit-response.ts'
import type { Asking, RateLimitService } from './rate-limit-service.ts'

export const SHOULD_RATE_LIMIT = '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit'

/**
 * How long before its deadline a check is decided without the store at most, in ms: the answer has to arrive in time, also from a busy
 * machine, on which timers are late.
 */
const MAX_RETURN_MS = 10

/** The part of the caller's time that is kept for the answer, if that is less. */
const RETURN_PART = 1 / 2

export interface ShouldRateLimitOptions {
  readonly service: RateLimitService
  readonly callers: Callers
  /** Whether the process is overloaded. */
  readonly isOverloaded: () => boolean
  readonly calls: CallLog
}

/** `ShouldRateLimit` over gRPC. */
export class ShouldRateLimit implements Method {
  readonly name = 'ShouldRateLimit'
  readonly #options: ShouldRateLimitOptions
  /** The names of callers' tokens. */
  readonly #actors = new WeakMap<Call, string>()

  constructor(options: ShouldRateLimitOptions) {
    this.#options = options
  }

  admit(call: Call): Status | undefined | Promise<Status | undefined> {
    const { callers, isOverloaded } = this.#options
    if (isOverloaded()) return this.#refused(overloaded(), call)
    if (callers.areChecksOpen) return undefined
    const token = callers.findTokenForChecks(bearerToken(call.metadata.authorization))
    if (token === undefined) return this.#refuseLogin(call)
    this.#actors.set(call, token.name)
    const fault = callers.checkFault(token)
    return fault && statusOf(fault)
  }

  countFields(message: Buffer): number {
    return fieldsIn(message)
  }

  answer(message: Buffer, responder: Responder, call: Call): void {
    try {
      const request = decodeRequest(message)
      this.#options.service.decide(request, askingOf(call), (answer, tookMs) => {
        this.#log(request, answer, tookMs, call)
        if (answer instanceof Problem) responder.end(statusOf(answer))
        else responder.finish(encodeResponse(answer))
      })
    } catch (err) {
      if (!(err instanceof Problem)) throw err
      responder.end(this.#refused(err, call))
    }
  }

  /** A call without a token is not a failed login. */
  async #refuseLogin(call: Call): Promise<Status> {
    const problem = new Problem('unauthorized', 'send a valid token in the metadata: authorization: Bearer <token>')
    if (call.metadata.authorization === undefined) return statusOf(problem)
    this.#options.calls.loginRefused(() => ({ protocol: 'grpc', address: call.ip }))
    const tooMany = await this.#options.callers.countFailedLogin(call.ip)
    return statusOf(tooMany ?? problem)
  }

  #refused(problem: Problem, call: Call): Status {
    if (problem.status >= 500) this.#options.calls.failed('check', problem, () => this.#lineOf(call))
    return statusOf(problem)
  }

  #log({ domain }: RateLimitRequest, answer: RateLimitResponse | Problem, tookMs: number, call: Call): void {
    const { calls } = this.#options
    const line = () => ({ ...this.#lineOf(call), key: calls.loggedKey(domain) })
    if (answer instanceof Problem && answer.status >= 500) calls.failed('check', answer, line)
    if (isSlow(tookMs)) calls.slow(tookMs, line)
    if (calls.isVerbose) calls.ended('debug', 'check', 'call', tookMs, line)
  }

  #lineOf(call: Call) {
    const actor = this.#actors.get(call) ?? 'anonymous'
    return { protocol: 'grpc', method: this.name, actor, address: call.ip }
  }
}

function askingOf(call: Call): Asking {
  const { socket, ip, deadlineMs } = call
  const returnMs = Math.min(MAX_RETURN_MS, (deadlineMs - performance.now()) * RETURN_PART)
  return { client: { socket, ip }, origin: call, deadlineMs: deadlineMs - returnMs }
}
