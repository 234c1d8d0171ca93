import type { AllDecision, Check, Decision } from './decision.ts'
import { type HttpService, readProblem } from './http-service.ts'
import { isObject, readAllDecision, readDecision } from './read-decision.ts'
import type { ServiceError } from './service-error.ts'

/** The checks of the service. None is sent twice: a repeated check could spend twice. */
export class Service {
  readonly #http: HttpService

  constructor(http: HttpService) {
    this.#http = http
  }

  async check(check: Check, signal: AbortSignal): Promise<Decision> {
    const answer = await this.#http.call({ path: '/check', body: bodyOf(check), signal })
    return readDecision(answer) ?? this.#http.refuse(answer)
  }

  /** The decisions in the order of the checks, with an error for each check that could not be decided. */
  async checkBatch(checks: readonly Check[], signal: AbortSignal): Promise<(Decision | ServiceError)[]> {
    const answer = await this.#http.call({ path: '/check/batch', body: { checks: checks.map(bodyOf) }, signal })
    const results = answer['results']
    if (!Array.isArray(results) || results.length !== checks.length) return this.#http.refuse(answer)
    return results.map(item => readItem(item) ?? this.#http.refuse(answer))
  }

  async checkAll(checks: readonly Check[], signal: AbortSignal): Promise<AllDecision> {
    const answer = await this.#http.call({ path: '/check/all', body: { checks: checks.map(bodyOf) }, signal })
    return readAllDecision(answer, checks.length) ?? this.#http.refuse(answer)
  }
}

/** In JavaScript, a check can be missing. It is then as invalid as one without a key. */
export function bodyOf(check: Check | null | undefined): Partial<Check> {
  const { key, tokens, policy } = check ?? {}
  return { key, tokens, policy } as Partial<Check>
}

function readItem(item: unknown): Decision | ServiceError | undefined {
  if (!isObject(item)) return undefined
  const { status } = item
  return typeof status === 'number' ? readProblem(item, status) : readDecision(item)
}
