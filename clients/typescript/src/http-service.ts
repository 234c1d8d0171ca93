import { isObject } from './read-decision.ts'
import { textOf } from './response-text.ts'
import { type FieldError, ServiceError } from './service-error.ts'

export type Json = Readonly<Record<string, unknown>>

interface Call {
  readonly method?: 'POST' | 'DELETE'
  readonly path: string
  readonly body?: unknown
  /** Repeating a call under the same key returns the result of the first. */
  readonly idempotencyKey?: string
  readonly signal: AbortSignal
}

/** Codes of a 429 that is a decision. A gateway may have limits of its own, which say something else. */
const DENIALS: readonly unknown[] = ['quota-exceeded', 'blocked']

/** The service's HTTP interface. `fetch` keeps connections open and reuses them. */
export class HttpService {
  readonly #url: string
  readonly #headers: Readonly<Record<string, string>>

  constructor(url: string, token: string | undefined) {
    this.#url = url
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  }

  /** @returns the object that the service answered a success or a denial with; an empty one for 204 */
  async call({ method = 'POST', path, body, idempotencyKey, signal }: Call): Promise<Json> {
    const response = await fetch(this.#url + path, {
      method,
      headers: {
        ...this.#headers,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      // Following a redirect would turn the call into a GET.
      redirect: 'error',
      signal,
    })
    const text = await textOf(response)
    if (response.status === 204) return {}
    const answer = parseObject(text)
    if (answer === undefined) throw new Error(`${this.#url}${path} answered ${response.status} without JSON`)
    if (response.ok || isDenial(answer)) return answer
    throw (
      readProblem(answer, response.status) ??
      new Error(`${this.#url}${path} answered ${response.status}: ${text.slice(0, 200)}`)
    )
  }

  /** Discards an answer of the wrong shape. */
  refuse(answer: unknown): never {
    throw new Error(`${this.#url} gave a malformed answer: ${JSON.stringify(answer).slice(0, 200)}`)
  }
}

/** Ends a call that takes longer than this, with an error that says so. The timer keeps no process alive. */
export async function within<T>(timeoutMs: number, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(timeout(timeoutMs)), timeoutMs).unref()
  try {
    return await call(controller.signal)
  } finally {
    clearTimeout(timer)
  }
}

/** Why a call that took this long has failed. */
export function timeout(timeoutMs: number): DOMException {
  return new DOMException(`no answer within ${timeoutMs} ms`, 'TimeoutError')
}

/** The error that an answer describes; `undefined` if it does not describe one. */
export function readProblem({ code, title, detail, errors }: Json, status: number): ServiceError | undefined {
  if (typeof code !== 'string' || typeof title !== 'string' || typeof detail !== 'string') return undefined
  return new ServiceError({
    code,
    title,
    detail,
    status,
    errors: Array.isArray(errors) ? errors.filter(isFieldError) : [],
  })
}

function isDenial({ code, allowed }: Json): boolean {
  return allowed === false && DENIALS.includes(code)
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
