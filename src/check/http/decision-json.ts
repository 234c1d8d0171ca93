import { type Decision, type LimitState, violatedLimits } from '../../domain/decision.ts'
import type { GroupDecision } from '../../domain/group-decision.ts'
import type { Policy } from '../../domain/policy.ts'

/**
 * The members of a decision in JSON, without those that do not apply; `check.schema.ts` describes them. Written by hand, since
 * serializing is most of the work of a response: a serializer made from the schema takes twice as long, `JSON.stringify` four
 * times.
 * @param before the text that they are appended to, piece by piece: to join the texts of many decisions takes longer
 */
export function decisionMembers(decision: Decision, before = ''): string {
  const { allowed, key, policy, binding, remaining, retryAfterMs, resetAfterMs, source, states } = decision
  let json = `${before}"allowed":${allowed},"key":${JSON.stringify(key)},${policyReference(policy)},"limit":${binding?.capacity ?? null},"remaining":${remaining},"retryAfterMs":${retryAfterMs},"resetAfterMs":${resetAfterMs},"source":"${source}"`
  if (decision.degraded) json += ',"degraded":true'
  if (decision.shadowed) json += ',"shadowed":true'
  const violated = violatedLimits(decision)
  if (violated.length > 0) json += `,"violated-policies":${JSON.stringify(violated)}`
  if (states.length > 0 && policy.limits.length > 1) json += `,"limits":${JSON.stringify(states.map(limitBody))}`
  return json
}

export function decisionJson(decision: Decision): string {
  return `{${decisionMembers(decision)}}`
}

/** Appends one of several decisions in a response. One of a blocked key has a code, since it names no limit. */
export function resultJson(decision: Decision, before: string): string {
  return decisionMembers(decision, `${before}{`) + endOfResult(decision)
}

function endOfResult({ blocked }: Decision): string {
  return blocked ? ',"code":"blocked"}' : '}'
}

/** The members of a group's decision: those of the binding check, which is one of them, and the result of each check. */
export function groupMembers({ binding, results }: GroupDecision): string {
  let ofBinding = ''
  let json = ''
  for (const result of results) {
    const members = decisionMembers(result)
    if (result === binding) ofBinding = members
    json += `${json === '' ? '' : ','}{${members}${endOfResult(result)}`
  }
  return `${ofBinding},"results":[${json}]`
}

const knownReferences = new WeakMap<Policy, string>()

/** Cached, since they are the same for every decision of a policy. */
function policyReference(policy: Policy): string {
  const known = knownReferences.get(policy)
  if (known !== undefined) return known
  const reference = `"policy":${JSON.stringify(policy.configKey)},"policyVersion":${policy.version}`
  knownReferences.set(policy, reference)
  return reference
}

function limitBody({ limit, remaining, retryAfterMs, resetAfterMs }: LimitState) {
  const values = { name: limit.name, limit: limit.capacity, remaining, retryAfterMs, resetAfterMs }
  return limit.isShadow ? { ...values, shadow: true } : values
}
