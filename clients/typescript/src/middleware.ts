import type { CheckOptions, Decision, Fallback } from './decision.ts'
import { refuseUnknown, requireOption } from './options.ts'

const OPTIONS = ['throttler', 'key', 'tokens', 'policy', 'countOnly', 'onDenied']

export interface ThrottleOptions<Request, Response> {
  /** A {@link Throttler}. Its `onFailure` says what happens to requests while the service gives no decisions. */
  readonly throttler: { check(key: string, options?: CheckOptions): Promise<Decision | Fallback> }
  /** The key that a request counts against. `undefined`: the request is not limited. */
  readonly key: (request: Request) => string | undefined | Promise<string | undefined>
  /** How many tokens a request costs; 1 by default. */
  readonly tokens?: ((request: Request) => number | Promise<number>) | undefined
  /** The config key of the policy that decides, such as the plan of the customer. `undefined`: the one that matches the key. */
  readonly policy?: ((request: Request) => string | undefined | Promise<string | undefined>) | undefined
  /** `failures`: only requests that are answered with a 4xx or 5xx status spend tokens. */
  readonly countOnly?: 'failures' | undefined
  /** Answers a denied request. Status and header fields are set already; by default, the body is a problem document. */
  readonly onDenied?: ((request: Request, response: Response, decision: Decision | Fallback) => unknown) | undefined
}

/** What happens to a request. */
export interface Verdict {
  readonly decision: Decision | Fallback
  /** Spends the tokens of a request that failed, if only failures count. */
  readonly chargeFailure: (() => void) | undefined
}

/** @throws {TypeError} if an option is missing, unknown or invalid; the message names it */
export function checkThrottleOptions(
  options: ThrottleOptions<never, never>,
  ofFramework: readonly string[] = [],
): void {
  refuseUnknown(options, [...OPTIONS, ...ofFramework])
  const { throttler, key, tokens, policy, countOnly, onDenied } = options
  requireOption('throttler', 'must be a Throttler', throttler, typeof throttler?.check === 'function')
  requireOption('key', 'must be a function', key, typeof key === 'function')
  requireOption('tokens', 'must be a function', tokens, tokens === undefined || typeof tokens === 'function')
  requireOption('policy', 'must be a function', policy, policy === undefined || typeof policy === 'function')
  requireOption('countOnly', 'must be "failures"', countOnly, countOnly === undefined || countOnly === 'failures')
  requireOption('onDenied', 'must be a function', onDenied, onDenied === undefined || typeof onDenied === 'function')
}

/** @returns `undefined` for a request that is not limited */
export async function judge<Request>(
  options: ThrottleOptions<Request, never>,
  request: Request,
): Promise<Verdict | undefined> {
  const key = await options.key(request)
  if (key === undefined) return undefined
  const tokens = (await options.tokens?.(request)) ?? 1
  const policy = await options.policy?.(request)
  const spend = () => options.throttler.check(key, { tokens, policy })
  if (options.countOnly === undefined) return { decision: await spend(), chargeFailure: undefined }

  const reading = await options.throttler.check(key, { tokens: 0, policy })
  if (reading.allowed && hasLeft(reading, tokens)) return { decision: reading, chargeFailure: inBackground(spend) }
  // Too little is left, so this spends nothing; only a denial says when to try again.
  return { decision: reading.allowed ? await spend() : reading, chargeFailure: undefined }
}

/** Whether every limit that is enforced would allow a check for this many tokens. */
function hasLeft(reading: Decision | Fallback, tokens: number): boolean {
  if (reading.source === 'client') return true
  const enforced = (reading.limits ?? []).filter(({ shadow }) => !shadow)
  return [reading, ...enforced].every(({ remaining }) => remaining === null || remaining >= tokens)
}

/** The response is sent already, and `onError` of the client reports failures. */
function inBackground(spend: () => Promise<unknown>): () => void {
  return () => {
    spend().catch(() => undefined)
  }
}
