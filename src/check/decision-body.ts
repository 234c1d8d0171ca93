import { type Decision, explain, type LimitState, violatedLimits } from '../domain/decision.ts'
import { Problem } from '../errors.ts'
import type { DecisionResponse } from './check.schema.ts'

export function decisionBody(decision: Decision): DecisionResponse {
  const body: DecisionResponse = {
    allowed: decision.allowed,
    key: decision.key,
    policy: decision.policy.configKey,
    policyVersion: decision.policy.version,
    limit: decision.binding.capacity,
    remaining: decision.remaining,
    retryAfterMs: decision.retryAfterMs,
    resetAfterMs: decision.resetAfterMs,
    source: decision.source,
  }
  if (decision.degraded) body.degraded = true
  if (decision.shadowed) body.shadowed = true
  const violated = violatedLimits(decision)
  if (violated.length > 0) body['violated-policies'] = violated
  if (decision.states.length > 1) body.limits = decision.states.map(limitBody)
  return body
}

function limitBody({ limit, remaining, retryAfterMs, resetAfterMs }: LimitState) {
  return { name: limit.name, limit: limit.capacity, remaining, retryAfterMs, resetAfterMs }
}

/** The problem of a decision that denies. `status` where it is not to be 429. */
export function denialProblem(decision: Decision, status = 429): Problem {
  const members = decisionBody(decision)
  if (!decision.blocked) return new Problem('quota-exceeded', explain(decision), { members, status })
  return new Problem('blocked', `the policy "${decision.policy.configKey}" blocks the key`, { members, status })
}
