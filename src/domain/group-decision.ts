/** Checks of different keys that are decided together: all are allowed, or nothing is spent. */
import type { Decision } from './decision.ts'
import { isSmallerRatio } from './exact.ts'

/** Checks that can be decided together. */
export const MAX_CHECKS_TOGETHER = 16

export interface GroupDecision {
  readonly allowed: boolean
  /** The check whose values the decision shows: the one that denies for longest, or the most exhausted one. */
  readonly binding: Decision
  /** In the order of the checks. Those of a denied group are what each check alone would have got. */
  readonly results: readonly Decision[]
}

/** @param results of at least one check */
export function decideTogether(results: readonly Decision[]): GroupDecision {
  return { allowed: results.every(({ allowed }) => allowed), binding: bindingOf(results), results }
}

/**
 * The decision that stands for all: the denial that lasts longest; if nothing is denied, the most exhausted one. Ties go to the first.
 * @param results at least one
 */
export function bindingOf(results: readonly Decision[]): Decision {
  const denying = results.filter(({ allowed }) => !allowed)
  return denying.length === 0 ? mostExhausted(results) : longest(denying)
}

/** The smallest remaining ÷ limit, then the first. What is unknown is largest. */
function mostExhausted(results: readonly Decision[]): Decision {
  return results.reduce((a, b) => (isMoreExhausted(b, a) ? b : a))
}

function isMoreExhausted(a: Decision, b: Decision): boolean {
  if (a.remaining === null || a.binding === undefined) return false
  if (b.remaining === null || b.binding === undefined) return true
  return isSmallerRatio(a.remaining, a.binding.capacity, b.remaining, b.binding.capacity)
}

/** The longest time until the check is allowed, where never is longest, then the first. */
function longest(denying: readonly Decision[]): Decision {
  const wait = ({ retryAfterMs }: Decision) => retryAfterMs ?? Number.POSITIVE_INFINITY
  return denying.reduce((a, b) => (wait(b) > wait(a) ? b : a))
}
