import type { CheckOptions, Decision, Fallback } from './decision.ts'
import { refuseUnknown, requireOption } from './options.ts'
import type { Reservation, ReserveOptions } from './reservation.ts'

const OPTIONS = ['throttler', 'key', 'tokens', 'policy', 'countOnly', 'onDenied']

/**
 * How long the tokens of a request are held after the application has crashed, and how long a denied request is told to
 * wait at most because others are in progress, in ms.
 */
const REQUEST_TTL_MS = 10_000

/** What is used of a Throttler. */
interface Limiter {
  check(key: string, options?: CheckOptions): Promise<Decision | Fallback>
  reserve(key: string, options: ReserveOptions): Promise<Reservation>
}

export interface ThrottleOptions<Request, Response> {
  /** A {@link Throttler}. Its `onFailure` says what happens to requests while the service gives no decisions. */
  readonly throttler: Limiter
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
  /** What the request holds, if only failures count: to be settled if it fails, and released otherwise. */
  readonly reservation: Reservation | undefined
}

/** @throws {TypeError} if an option is missing, unknown or invalid; the message names it */
export function checkThrottleOptions(
  options: ThrottleOptions<never, never>,
  ofFramework: readonly string[] = [],
): void {
  refuseUnknown(options, [...OPTIONS, ...ofFramework])
  const { throttler, key, tokens, policy, countOnly, onDenied } = options
  requireOption('throttler', 'must be a Throttler', throttler, isLimiter(throttler))
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
  if (options.countOnly === undefined) {
    return { decision: await options.throttler.check(key, { tokens, policy }), reservation: undefined }
  }
  // Requests in progress at the same time see what the others hold, so they cannot pass the limit together.
  const reservation = await options.throttler.reserve(key, { tokens, policy, ttlMs: REQUEST_TTL_MS, extend: true })
  return { decision: reservation.decision, reservation }
}

function isLimiter(given: Limiter | undefined): boolean {
  return typeof given?.check === 'function' && typeof given.reserve === 'function'
}
