/**
 * Whether a stored value is a policy that this release can enforce; another program or a later release may have written it. It is
 * written by hand because a start validates every policy with it: about half a microsecond for one limit.
 */
import { isNormalizedTime } from './expiry.ts'
import { type Limit, storedLimitFault } from './limits/limit.ts'
import { memberFault as fault, type Unvalidated } from './limits/limit-fault.ts'
import { isShadow } from './limits/shadow.ts'
import { faultWithin, type MemberFault } from './member-fault.ts'
import { MAX_LIMITS, MODES, type PolicyDefinition, STORE_FAILURE_MODES } from './policy.ts'
import type { StoredPolicy, TemporaryPolicy } from './temporary-policy.ts'

export function isStoredPolicy(value: unknown): value is StoredPolicy {
  return storedPolicyFault(value) === undefined
}

export function isPolicyDefinition(value: unknown): value is PolicyDefinition {
  return policyDefinitionFault(value) === undefined
}

/** The first member that is missing or malformed, or `undefined` for a policy. Members that it does not know are left alone. */
export function storedPolicyFault(value: unknown): MemberFault | undefined {
  return policyDefinitionFault(value) ?? endFault(value as Unvalidated<TemporaryPolicy>)
}

function endFault({ expiresAt, then }: Unvalidated<TemporaryPolicy>): MemberFault | undefined {
  if (expiresAt === undefined) return then === undefined ? undefined : fault('then', then, 'absent without expiresAt')
  if (!isNormalizedTime(expiresAt))
    return fault('expiresAt', expiresAt, 'a UTC time such as "2026-01-31T12:00:00.000Z"')
  return then === null ? undefined : faultWithin('then', policyDefinitionFault(then) ?? ownEndFault(then as object))
}

function ownEndFault(then: Unvalidated<TemporaryPolicy>): MemberFault | undefined {
  const { expiresAt } = then
  return expiresAt === undefined
    ? undefined
    : fault('expiresAt', expiresAt, 'absent: what follows has no end of its own')
}

/** The same for a policy without an end. */
export function policyDefinitionFault(value: unknown): MemberFault | undefined {
  if (!isObject(value)) return fault('', value, 'an object')
  const { limits, mode, onStoreFailure, overdraft, description } = value as Unvalidated<PolicyDefinition>
  if (!isOneOf(MODES, mode)) return fault('mode', mode, oneOf(MODES))
  if (onStoreFailure !== undefined && !isOneOf(STORE_FAILURE_MODES, onStoreFailure)) {
    return fault('onStoreFailure', onStoreFailure, oneOf(STORE_FAILURE_MODES))
  }
  if (overdraft !== undefined && overdraft !== true) return fault('overdraft', overdraft, 'absent or true')
  if (description !== undefined && typeof description !== 'string') return fault('description', description, 'a string')
  return faultWithin('limits', limitsFault(limits))
}

function limitsFault(limits: unknown): MemberFault | undefined {
  if (!Array.isArray(limits) || limits.length < 1 || limits.length > MAX_LIMITS) {
    return fault('', limits, `an array of 1 to ${MAX_LIMITS} limits`)
  }
  for (let i = 0; i < limits.length; i++) {
    const found = storedLimitFault(limits[i])
    if (found !== undefined) return faultWithin(`[${i}]`, found)
  }
  if (!haveDistinctNames(limits)) return fault('', limits, 'limits with distinct names')
  return limits.every(isShadow) ? fault('', limits, 'limits that are not all shadow limits') : undefined
}

function haveDistinctNames(limits: readonly Limit[]): boolean {
  return limits.length === 1 || new Set(limits.map(({ name }) => name)).size === limits.length
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function isOneOf(allowed: readonly string[], value: unknown): boolean {
  return allowed.includes(value as string)
}

function oneOf(allowed: readonly string[]): string {
  return `one of ${allowed.map(value => JSON.stringify(value)).join(', ')}`
}
