import type { Check, Decision } from './decision.ts'
import { isObject, readDecision } from './read-decision.ts'
import { type FieldError, ServiceError } from './service-error.ts'

type Json = Readonly<Record<string, unknown>>

/**
 * The service's HTTP interface. `fetch` keeps connections open and reuses them. Nothing is sent twice: a repeated check
 * could spend twice.
 */
export class Service {
  readonly #url: string
  readonly #headers: Readonly<Record<string, string>>

  constructor(url: string, token: string | undefined) {
    this.#url = url
    this.#headers = {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    }
  }

  async check(check: Check, signal: AbortSignal): Promise<Decision> {
    const answer = await this.#post('/check', bodyOf(check), signal)
    const decision = readDecision(answer)
    return decision ?? this.#malformed(answer)
  }

  /** The decisions in the order of the checks, with an error for each check that could not be decided. */
  async checkBatch(checks: readonly Check[], signal: AbortSignal): Promise<(Decision | ServiceError)[]> {
    const body = { checks: checks.map(bodyOf) }
    const answer = await this.#post('/check/batch', body, signal)
    const results = answer['results']
    if (!Array.isArray(results) || results.length !== checks.length) return this.#malformed(answer)
    return results.map(item => readItem(item) ?? this.#malformed(answer))
  }

  /** @returns a decision or several, which is what the service answers 200 and 429 with */
  async #post(path: string, body: unknown, signal: AbortSignal): Promise<Json> {
    const response = await fetch(this.#url + path, {
      method: 'POST',
      headers: this.#headers,
      body: JSON.stringify(body),
      // Following a redirect would turn the call into a GET.
      redirect: 'error',
      signal,
    })
    const text = await response.text()
    const answer = parseObject(text)
    if (answer === undefined) throw new Error(`${this.#url}${path} answered ${response.status} without JSON`)
    if (response.ok || isDenial(answer)) return answer
    throw (
      readProblem(answer, response.status) ??
      new Error(`${this.#url}${path} answered ${response.status}: ${text.slice(0, 200)}`)
    )
  }

  #malformed(answer: unknown): never {
    throw new Error(`${this.#url} gave a malformed answer: ${JSON.stringify(answer).slice(0, 200)}`)
  }
}

function bodyOf({ key, tokens, policy }: Check): Check {
  return { key, tokens, policy }
}

function readItem(item: unknown): Decision | ServiceError | undefined {
  const { status } = isObject(item) ? item : {}
  return typeof status === 'number' ? readProblem(item as Json, status) : readDecision(item)
}

function isDenial({ code, allowed }: Json): boolean {
  return allowed === false && (code === 'quota-exceeded' || code === 'blocked')
}

function readProblem({ code, title, detail, errors }: Json, status: number): ServiceError | undefined {
  if (typeof code !== 'string' || typeof title !== 'string' || typeof detail !== 'string') return undefined
  return new ServiceError({
    code,
    title,
    detail,
    status,
    errors: Array.isArray(errors) ? errors.filter(isFieldError) : [],
  })
}

function isFieldError(value: unknown): value is FieldError {
  return isObject(value) && typeof value['path'] === 'string' && typeof value['message'] === 'string'
}

function parseObject(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
