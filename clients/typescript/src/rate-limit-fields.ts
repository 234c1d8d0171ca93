import type { Decision, Fallback } from './decision.ts'

/** The name of a policy's only limit: a decision names its limits only if there are several. */
const ONLY_LIMIT = 'default'

interface NamedLimit {
  readonly name: string
  readonly limit: number
  readonly remaining: number
  readonly retryAfterMs: number | null
  readonly resetAfterMs: number | null
}

/**
 * The RateLimit fields of a decision, and `Retry-After` if it was denied. A decision has no refill rate, so
 * `RateLimit-Policy` has no `w`, and `t` is the time until the limit allows this request or, if it does, until it is full.
 * @see https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-11
 */
export function rateLimitFields(decision: Decision | Fallback): Readonly<Record<string, string>> {
  if (decision.source === 'client') return {}
  const limits = limitsOf(decision)
  return {
    ...(limits.length === 0
      ? {}
      : {
          'ratelimit-policy': limits.map(({ name, limit }) => `"${name}";q=${limit}`).join(', '),
          ratelimit: limits.map(serviceLimit).join(', '),
        }),
    ...(decision.allowed || decision.retryAfterMs === null ? {} : { 'retry-after': seconds(decision.retryAfterMs) }),
  }
}

/** The names of the limits that denied, as the RateLimit fields have them. */
export function violatedPolicies({ limits, 'violated-policies': violated }: Decision): readonly string[] | undefined {
  return violated && (limits === undefined ? [ONLY_LIMIT] : violated)
}

/** None if no bucket was asked. */
function limitsOf({ limits, ...values }: Decision): readonly NamedLimit[] {
  const { source, limit, remaining, retryAfterMs, resetAfterMs } = values
  if (source === 'policy' || limit === null || remaining === null) return []
  return limits?.filter(({ shadow }) => !shadow) ?? [{ name: ONLY_LIMIT, limit, remaining, retryAfterMs, resetAfterMs }]
}

function serviceLimit({ name, remaining, retryAfterMs, resetAfterMs }: NamedLimit): string {
  const waitMs = retryAfterMs || resetAfterMs
  return waitMs ? `"${name}";r=${remaining};t=${seconds(waitMs)}` : `"${name}";r=${remaining}`
}

function seconds(ms: number): string {
  return String(Math.ceil(ms / 1000))
}
