import { MAX_COUNT } from '../../domain/limits/limit-fault.ts'
import { compilePolicy, NO_LIMITS, needsLimits, type Policy, REQUEST_POLICY } from '../../domain/policy.ts'
import type { RequestPolicies } from '../request-policies.ts'
import type { Override } from './rate-limit-request.ts'
import { limitPer } from './units.ts'

const BLOCK = compilePolicy(REQUEST_POLICY, 0, { limits: NO_LIMITS, mode: 'block' })

/**
 * The policy for a descriptor that brings a limit: that limit, unless the stored policy blocks the descriptor or is off. A limit that is
 * larger than a policy's can be counts as the largest.
 */
export function overridePolicy(
  { requestsPerUnit, unit }: Override,
  stored: Policy | undefined,
  requestPolicies: RequestPolicies,
): Policy {
  if (stored !== undefined && !needsLimits(stored.definition.mode)) return stored
  if (requestsPerUnit === 0) return BLOCK
  return requestPolicies.policyOf(limitPer(unit, Math.min(requestsPerUnit, MAX_COUNT)))
}
