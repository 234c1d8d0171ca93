import type { Decision, Fallback, Refusal } from './decision.ts'
import { type ProblemDocument, ServiceError } from './service-error.ts'

export type { Decision, Fallback, LimitValues, Refusal } from './decision.ts'
export { ServiceError } from './service-error.ts'

/** As many checks as the service takes in one batch. */
const MAX_BATCH = 1_000

const DEFAULT_TIMEOUT_MS = 500

export interface ThrottlerOptions {
  /** Where the service is, such as `http://127.0.0.1:8080`, or `https://gateway.example/limits` behind a proxy. */
  readonly url: string | URL
  /**
   * What a check is when the service cannot be reached, does not answer in time, or cannot decide. There is no default: a login
   * may rather be refused, a search rather be allowed, and with `throw` the caller decides each time.
   */
  readonly onFailure: 'allow' | 'deny' | 'throw'
  /** How long one call may take, ms; 500 by default. */
  readonly timeoutMs?: number
  /** One of the service's CHECK_TOKENS, if it has any. */
  readonly token?: string
}

export interface Check {
  readonly key: string
  /** 1 by default; 0 reads and spends nothing. */
  readonly tokens?: number
}

/**
 * Asks a Throttler service. Connections are kept open and reused, which is what `fetch` does in Node.
 * @see https://github.com/nodejs/undici
 */
export class Throttler {
  readonly #url: string
  readonly #timeoutMs: number
  readonly #onFailure: ThrottlerOptions['onFailure']
  readonly #headers: Readonly<Record<string, string>>

  constructor({ url, onFailure, timeoutMs = DEFAULT_TIMEOUT_MS, token }: ThrottlerOptions) {
    this.#url = new URL(url).href.replace(/\/$/, '')
    this.#timeoutMs = timeoutMs
    this.#onFailure = onFailure
    this.#headers = {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    }
  }

  /**
   * May this key do this now?
   * @param tokens what it costs; 0 reads and spends nothing
   * @throws {ServiceError} the question is wrong (a key or a number that the service does not take, a token that it does not know)
   * @throws whatever went wrong, if `onFailure` is `throw`
   */
  async check(key: string, tokens = 1): Promise<Decision | Fallback> {
    try {
      return (await this.#post('/check', { key, tokens })) as Decision
    } catch (err) {
      return this.#fallback(key, err)
    }
  }

  /**
   * Asks for many keys in calls of up to 1,000, each decided for itself; answers in the order asked.
   * @throws as {@link check} does
   */
  async checkAll(checks: readonly Check[]): Promise<(Decision | Fallback | Refusal)[]> {
    const batches = Array.from({ length: Math.ceil(checks.length / MAX_BATCH) }, (_, i) =>
      checks.slice(i * MAX_BATCH, (i + 1) * MAX_BATCH),
    )
    return (await Promise.all(batches.map(batch => this.#checkBatch(batch)))).flat()
  }

  async #checkBatch(checks: readonly Check[]): Promise<(Decision | Fallback | Refusal)[]> {
    try {
      const { results } = (await this.#post('/check/batch', { checks })) as { results: (Decision | Refusal)[] }
      return results.map(result =>
        isUndecided(result) ? this.#fallback(result.key, new ServiceError(result)) : result,
      )
    } catch (err) {
      return checks.map(({ key }) => this.#fallback(key, err))
    }
  }

  async #post(path: string, body: unknown): Promise<unknown> {
    const response = await fetch(this.#url + path, {
      method: 'POST',
      headers: this.#headers,
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(this.#timeoutMs),
    })
    const answer: unknown = await response.json().catch(cause => {
      throw new Error(`${this.#url} answered ${response.status} without JSON`, { cause })
    })
    if (response.ok || isDenial(answer)) return answer
    throw new ServiceError({ ...(answer as ProblemDocument), status: response.status })
  }

  #fallback(key: string, failure: unknown): Fallback {
    const isCallersFault = failure instanceof ServiceError && failure.isCallersFault
    if (isCallersFault || this.#onFailure === 'throw') throw failure
    return { allowed: this.#onFailure === 'allow', key, source: 'client', failure }
  }
}

function isDenial(answer: unknown): boolean {
  const { code } = answer as ProblemDocument
  return code === 'quota-exceeded' || code === 'blocked'
}

/** Whether the service had no decision for a check of a batch, and may have one later. */
function isUndecided(result: Decision | Refusal): result is Refusal {
  return 'status' in result && result.status >= 500
}
