import type { DecisionBody } from './backend/backend.ts'
import { fieldLines, tableOf } from './tables.ts'

/** A decision, for people. */
export function decisionText(decision: DecisionBody): string {
  const { key, policy, policyVersion, limit, remaining, retryAfterMs, resetAfterMs, source, limits = [] } = decision
  const lines = fieldLines({
    result: resultOf(decision),
    key,
    policy: policyVersion === 0 ? `${policy} (built in)` : `${policy}, version ${policyVersion}`,
    remaining: limit === null ? undefined : `${remaining ?? 'unknown'} of ${limit}`,
    'retry after': decision.allowed ? undefined : timeOf(retryAfterMs),
    'full after': resetAfterMs === null ? undefined : timeOf(resetAfterMs),
    'decided by': source,
  })
  return limits.length === 0 ? lines : `${lines}\n${tableOf(limits)}`
}

function resultOf({ allowed, shadowed, detail, 'violated-policies': violated = [] }: DecisionBody): string {
  if (!allowed) return detail === undefined ? 'denied' : `denied: ${detail}`
  return shadowed === true ? `allowed, but would be denied without shadow: ${violated.join(', ')}` : 'allowed'
}

function timeOf(ms: number | null): string {
  if (ms === null) return 'never'
  return ms < 1000 ? `${ms} ms` : `${ms / 1000} s`
}
