import { comesWithCall, type Policy } from '../domain/policy.ts'
import type { AskedCheck } from './pending-check.ts'

/**
 * What a check costs by a limit that comes with it and is another than that of the check before, in checks by one limit. The limit has to be
 * compiled, sent and read, and a bucket takes longer when its limit changes.
 */
export const OWN_LIMIT_WEIGHT = 4

/** What a check by the limits of a policy costs the store, in checks by one limit: each further limit costs about half as much. */
export function limitWeight({ limits }: Policy): number {
  return Math.max(1, Math.ceil(limits.length / 2))
}

/** How many checks of a larger batch have their policies looked at. To look at all would cost each check a twentieth more. */
const SAMPLES = 8

/**
 * About what the limits of a batch beyond one for each check cost the store, in checks by one limit. Found by the policies of some checks,
 * chosen by chance, so that no caller knows which are looked at.
 * @param policyOf finds the policy of a check, if there is one
 */
export function furtherLimitsWeight<Check>(
  checks: readonly Check[],
  policyOf: (check: Check) => Policy | undefined,
): number {
  const looked = checks.length <= SAMPLES ? checks : sampleOf(checks)
  let weight = 0
  for (const check of looked) {
    const policy = policyOf(check)
    if (policy !== undefined) weight += limitWeight(policy) - 1
  }
  return (weight / looked.length) * checks.length
}

function sampleOf<Item>(items: readonly Item[]): readonly Item[] {
  return Array.from({ length: SAMPLES }, () => items[Math.floor(Math.random() * items.length)] as Item)
}

/** What one of several checks costs the process and the store, in checks by one limit. */
export function weightAt(checks: readonly AskedCheck[], index: number): number {
  const policy = checks[index]?.resolvedPolicy
  if (policy === undefined || !comesWithCall(policy)) return 1
  return index > 0 && policy === checks[index - 1]?.resolvedPolicy ? 1 : OWN_LIMIT_WEIGHT
}

/** What all of them cost. */
export function weightOf(checks: readonly AskedCheck[]): number {
  let weight = 0
  for (let index = 0; index < checks.length; index++) weight += weightAt(checks, index)
  return weight
}
