import type { Decision } from '../../domain/decision.ts'
import { isSmallerRatio } from '../../domain/exact.ts'

/**
 * The decision that stands for all of a call: the denial with the longest wait, where never is longest; if nothing is denied, the smallest
 * remaining ÷ limit, where unknown is largest. Ties go to the first.
 */
export function bindingDecision(decisions: readonly Decision[]): Decision | undefined {
  const denied = decisions.filter(({ allowed }) => !allowed)
  const [candidates, isMoreBinding] = denied.length > 0 ? [denied, waitsLonger] : [decisions, isTighter]
  let binding = candidates[0]
  for (const decision of candidates) if (binding !== undefined && isMoreBinding(decision, binding)) binding = decision
  return binding
}

function waitsLonger(a: Decision, b: Decision): boolean {
  return (a.retryAfterMs ?? Number.POSITIVE_INFINITY) > (b.retryAfterMs ?? Number.POSITIVE_INFINITY)
}

function isTighter(a: Decision, b: Decision): boolean {
  if (a.remaining === null || a.binding === undefined) return false
  if (b.remaining === null || b.binding === undefined) return true
  return isSmallerRatio(a.remaining, a.binding.capacity, b.remaining, b.binding.capacity)
}
