/**
 * The rule of time: a temporary policy defines two things, itself until its end and `then` afterwards. Nothing has to happen at that
 * moment: whoever reads a policy asks here what it means now.
 */
import type { Limit } from './limits/limit.ts'
import { isShadow } from './limits/shadow.ts'
import { type PolicyDefinition, policyMembers, samePolicy } from './policy.ts'

export interface TemporaryPolicy extends PolicyDefinition {
  /** ISO 8601, UTC, to the millisecond. The first moment at which `then` applies. */
  readonly expiresAt: string
  /** `null` for no policy. Never a function, so that `await` does not take the policy for a promise. */
  readonly then: PolicyDefinition | null
}

/** What is stored under a config key. One without `expiresAt` is a lasting policy. */
export type StoredPolicy = PolicyDefinition | TemporaryPolicy

/** A policy as an operator writes it: a temporary one may leave `then` open. */
export interface RequestedPolicy extends PolicyDefinition {
  readonly expiresAt?: string
  readonly then?: PolicyDefinition | null
}

export function isTemporary(policy: StoredPolicy | null): policy is TemporaryPolicy {
  return policy !== null && 'expiresAt' in policy
}

/** Whether the policy has parts that release 0.1.0 does not know, so that it must not read the policy as its own. */
export function hasNewParts(policy: StoredPolicy | null): boolean {
  return policy !== null && (isTemporary(policy) || policy.overdraft === true || policy.limits.some(isNew))
}

function isNew(limit: Limit): boolean {
  return limit.kind !== undefined || isShadow(limit)
}

/** The end in ms since 1970; `undefined` for a lasting policy. */
export function endOf(policy: StoredPolicy | null): number | undefined {
  return isTemporary(policy) ? Date.parse(policy.expiresAt) : undefined
}

export function hasEnded(policy: StoredPolicy | null, nowMs: number): policy is TemporaryPolicy {
  return isTemporary(policy) && nowMs >= Date.parse(policy.expiresAt)
}

/** The policy that a key has now: the stored one, or what comes after its end. */
export function policyAt(policy: StoredPolicy | null, nowMs: number): StoredPolicy | null {
  return hasEnded(policy, nowMs) ? policy.then : policy
}

/** The limits that are in force now, without the end. */
export function enforcedAt(policy: StoredPolicy, nowMs: number): PolicyDefinition | null {
  const present = policyAt(policy, nowMs)
  return isTemporary(present) ? withoutEnd(present) : present
}

/** The policy to store. @param lasting what comes after the end if the request does not say */
export function resolveThen(
  { expiresAt, then, ...definition }: RequestedPolicy,
  lasting: PolicyDefinition | null,
): StoredPolicy {
  if (expiresAt === undefined) return definition
  return { ...definition, expiresAt, then: then === undefined ? lasting : then }
}

export function sameStoredPolicy(a: StoredPolicy | null, b: StoredPolicy | null): boolean {
  if (a === null || b === null) return a === b
  if (!samePolicy(a, b)) return false
  if (!isTemporary(a) || !isTemporary(b)) return isTemporary(a) === isTemporary(b)
  return a.expiresAt === b.expiresAt && sameStoredPolicy(a.then, b.then)
}

/** A policy as callers see it, see `policyMembers`. */
export function storedPolicyMembers(policy: StoredPolicy) {
  if (!isTemporary(policy)) return policyMembers(policy)
  const { expiresAt, then } = policy
  return { ...policyMembers(withoutEnd(policy)), expiresAt, then: then && policyMembers(then) }
}

function withoutEnd({ expiresAt: _, then: __, ...definition }: TemporaryPolicy): PolicyDefinition {
  return definition
}
