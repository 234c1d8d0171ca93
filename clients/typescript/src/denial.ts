import type { Decision, Fallback } from './decision.ts'
import { rateLimitFields, violatedPolicies } from './rate-limit-fields.ts'
import { isTooManyReservations } from './service-error.ts'

const IANA_PROBLEM_TYPES = 'https://iana.org/assignments/http-problem-types'

/** The response to a denied request. */
export interface Denial {
  readonly status: number
  readonly fields: Readonly<Record<string, string>>
  /** A problem document (RFC 9457). It has no key and no policy of the service: those are not the caller's business. */
  readonly problem: string
}

export function denialOf(decision: Decision | Fallback): Denial {
  const { status, ...problem } = decision.source === 'client' ? problemWithout(decision) : problemOf(decision)
  const fields = decision.source === 'client' ? { 'retry-after': '1' } : rateLimitFields(decision)
  return {
    status,
    fields: { ...fields, 'content-type': 'application/problem+json' },
    problem: JSON.stringify({ ...problem, status }),
  }
}

/** Without a decision, no limit was exceeded, unless too many requests are in progress. */
function problemWithout({ failure }: Fallback) {
  return isTooManyReservations(failure) ? TOO_MANY_REQUESTS : UNAVAILABLE
}

const TOO_MANY_REQUESTS = { type: 'about:blank', title: 'Too Many Requests', status: 429 }

const UNAVAILABLE = {
  type: `${IANA_PROBLEM_TYPES}#temporary-reduced-capacity`,
  title: 'Rate limiting is unavailable',
  status: 503,
  detail: 'The request is refused because its rate limit cannot be checked',
}

function problemOf(decision: Decision) {
  if (decision.code === 'blocked') return TOO_MANY_REQUESTS
  return {
    type: `${IANA_PROBLEM_TYPES}#quota-exceeded`,
    title: 'The rate limit is exceeded',
    status: 429,
    'violated-policies': violatedPolicies(decision),
  }
}
