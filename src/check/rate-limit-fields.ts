import { bindingStates, type Decision, type LimitState } from '../domain/decision.ts'
import { ceilDiv } from '../domain/exact.ts'
import type { Policy } from '../domain/policy.ts'
import type { FieldStyle } from '../settings/env.schema.ts'

/** Where response fields are set, such as a reply. */
interface Fields {
  header(name: string, value: string): unknown
}

/**
 * Writes the rate limit fields of a decision, if it came from a bucket. They show the limits that can bind.
 * @see https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-11
 */
export function writeRateLimitFields(decision: Decision, style: FieldStyle, fields: Fields): void {
  if (!decision.blocked && !decision.allowed && decision.retryAfterMs !== null) {
    fields.header('retry-after', seconds(decision.retryAfterMs))
  }
  if (decision.states.length === 0) return
  if (style === 'draft' || style === 'both') {
    fields.header('ratelimit-policy', policyField(decision))
    fields.header('ratelimit', bindingStates(decision).map(serviceLimit).join(', '))
  }
  if (style === 'legacy' || style === 'both') {
    fields.header('x-ratelimit-limit', String(decision.binding?.capacity))
    fields.header('x-ratelimit-remaining', String(decision.remaining))
    fields.header('x-ratelimit-reset', seconds(decision.resetAfterMs ?? 0))
  }
}

const fieldsOfChecks = new WeakMap<Policy, string>()
/** Reservations show limits of their number, too. */
const fieldsOfReservations = new WeakMap<Policy, string>()

/** Cached for a policy without periods, since it is then the same for every decision. */
function policyField(decision: Decision): string {
  const { policy, reserves } = decision
  const cache = reserves ? fieldsOfReservations : fieldsOfChecks
  const known = cache.get(policy)
  if (known !== undefined) return known
  const shown = bindingStates(decision)
  const field = shown.map(quotaPolicy).join(', ')
  if (shown.every(({ periodMs }) => periodMs === undefined)) cache.set(policy, field)
  return field
}

/**
 * `"burst";q=100;w=10`; w is the time in seconds from empty to full, or the length of the present period. A limit of concurrent
 * reservations has a unit instead: `"in-flight";q=5;qu="concurrent-requests"`.
 */
function quotaPolicy({ limit, periodMs }: LimitState): string {
  const { name, capacity, capacityUnits } = limit
  const quota = `"${name}";q=${capacity}`
  if (limit.kind === 'concurrency') return `${quota};qu="concurrent-requests"`
  return `${quota};w=${seconds(periodMs ?? limit.fullAfterMs(capacityUnits, 0))}`
}

/** `"burst";r=99;t=1`; t is the time in seconds until one more token, or until the denied check is allowed. A full limit has none. */
function serviceLimit({ limit, remaining, allows, retryAfterMs, nextTokenAfterMs }: LimitState): string {
  const field = `"${limit.name}";r=${remaining}`
  const waitMs = allows ? nextTokenAfterMs : retryAfterMs
  return waitMs === 0 || waitMs === null ? field : `${field};t=${seconds(waitMs)}`
}

function seconds(ms: number): string {
  return String(ceilDiv(ms, 1000))
}
