import type { Decision } from '../../domain/decision.ts'
import { bindingOf } from '../../domain/group-decision.ts'
import { Problem } from '../../lib/errors.ts'
import type { FieldStyle } from '../../settings/env.schema.ts'
import type { CheckResult } from '../pending-check.ts'
import { writeRateLimitFields } from '../rate-limit-fields.ts'
import type { CurrentLimit, DescriptorStatus, RateLimitResponse, ResponseHeader } from './rate-limit-response.ts'
import { unitOf } from './units.ts'

/** The largest `uint32`: as good as unlimited. */
const UNLIMITED = 0xffff_ffff

/** Of a descriptor that no policy matches. */
const NO_LIMIT: DescriptorStatus = { code: 'OK', limitRemaining: 0 }

/** Of a descriptor without a decision. */
const UNDECIDED: DescriptorStatus = { code: 'UNKNOWN', limitRemaining: 0 }

/**
 * The answer from the results of all descriptors, `undefined` for one that no policy matches. A descriptor without a decision makes it a
 * problem, unless another one is over its limit: Envoy lets a request pass on an error.
 */
export function answerOf(
  results: readonly (CheckResult | undefined)[],
  style: FieldStyle,
): RateLimitResponse | Problem {
  const decisions = results.filter(isDecision)
  const isOverLimit = decisions.some(({ allowed }) => !allowed)
  const problem = results.find(result => result instanceof Problem)
  if (problem !== undefined && !isOverLimit) return problem
  return {
    overallCode: isOverLimit ? 'OVER_LIMIT' : 'OK',
    statuses: results.map(statusOf),
    headers: headersOf(decisions, style),
  }
}

function isDecision(result: CheckResult | undefined): result is Decision {
  return result !== undefined && !(result instanceof Problem)
}

function statusOf(result: CheckResult | undefined): DescriptorStatus {
  if (result === undefined) return NO_LIMIT
  if (result instanceof Problem) return UNDECIDED
  const { allowed, resetAfterMs } = result
  return {
    code: allowed ? 'OK' : 'OVER_LIMIT',
    currentLimit: currentLimit(result),
    limitRemaining: limitRemaining(result),
    resetAfterMs: resetAfterMs ?? undefined,
  }
}

function currentLimit({ binding }: Decision): CurrentLimit | undefined {
  return binding && { name: binding.name, requestsPerUnit: binding.capacity, unit: unitOf(binding) }
}

/** What is unknown counts as unlimited, since Envoy shows the status with the least remaining. */
function limitRemaining({ blocked, remaining, source }: Decision): number {
  if (!blocked && source === 'policy') return UNLIMITED
  return remaining ?? UNLIMITED
}

function headersOf(decisions: readonly Decision[], style: FieldStyle): readonly ResponseHeader[] {
  const headers: ResponseHeader[] = []
  if (decisions.length === 0) return headers
  writeRateLimitFields(bindingOf(decisions), style, { header: (key, value) => headers.push({ key, value }) })
  return headers
}
