/**
 * Whether a stored value is a policy that this release can enforce; another program or a later release may have written it. It is
 * written by hand because a start validates every policy with it: about half a microsecond for one limit.
 */
import { isNormalizedTime } from './expiry.ts'
import { faultWithin, type MemberFault } from './member-fault.ts'
import {
  isExact,
  LIMIT_NAME,
  type Limit,
  MAX_COUNT,
  MAX_INTERVAL_MS,
  MAX_LIMITS,
  MODES,
  type PolicyDefinition,
  STORE_FAILURE_MODES,
} from './policy.ts'
import type { StoredPolicy, TemporaryPolicy } from './temporary-policy.ts'

type Unknown<T> = { readonly [member in keyof T]?: unknown }

export function isStoredPolicy(value: unknown): value is StoredPolicy {
  return storedPolicyFault(value) === undefined
}

export function isPolicyDefinition(value: unknown): value is PolicyDefinition {
  return policyDefinitionFault(value) === undefined
}

/** The first member that is missing or malformed, or `undefined` for a policy. Members that it does not know are left alone. */
export function storedPolicyFault(value: unknown): MemberFault | undefined {
  return policyDefinitionFault(value) ?? endFault(value as Unknown<TemporaryPolicy>)
}

function endFault({ expiresAt, then }: Unknown<TemporaryPolicy>): MemberFault | undefined {
  if (expiresAt === undefined) return then === undefined ? undefined : fault('then', then, 'absent without expiresAt')
  if (!isNormalizedTime(expiresAt))
    return fault('expiresAt', expiresAt, 'a UTC time such as "2026-01-31T12:00:00.000Z"')
  return then === null ? undefined : faultWithin('then', policyDefinitionFault(then) ?? ownEndFault(then as object))
}

function ownEndFault(then: Unknown<TemporaryPolicy>): MemberFault | undefined {
  const { expiresAt } = then
  return expiresAt === undefined
    ? undefined
    : fault('expiresAt', expiresAt, 'absent: what follows has no end of its own')
}

/** The same for a policy without an end. */
export function policyDefinitionFault(value: unknown): MemberFault | undefined {
  if (!isObject(value)) return fault('', value, 'an object')
  const { limits, mode, onStoreFailure, description } = value as Unknown<PolicyDefinition>
  if (!isOneOf(MODES, mode)) return fault('mode', mode, oneOf(MODES))
  if (onStoreFailure !== undefined && !isOneOf(STORE_FAILURE_MODES, onStoreFailure)) {
    return fault('onStoreFailure', onStoreFailure, oneOf(STORE_FAILURE_MODES))
  }
  if (description !== undefined && typeof description !== 'string') return fault('description', description, 'a string')
  return faultWithin('limits', limitsFault(limits))
}

function limitsFault(limits: unknown): MemberFault | undefined {
  if (!Array.isArray(limits) || limits.length < 1 || limits.length > MAX_LIMITS) {
    return fault('', limits, `an array of 1 to ${MAX_LIMITS} limits`)
  }
  for (let i = 0; i < limits.length; i++) {
    const found = limitFault(limits[i])
    if (found !== undefined) return faultWithin(`[${i}]`, found)
  }
  return haveDistinctNames(limits) ? undefined : fault('', limits, 'limits with distinct names')
}

function limitFault(value: unknown): MemberFault | undefined {
  if (!isObject(value)) return fault('', value, 'an object')
  const { name, capacity, refillTokens, refillIntervalMs } = value as Unknown<Limit>
  if (typeof name !== 'string' || !LIMIT_NAME.test(name))
    return fault('name', name, `a string like ${LIMIT_NAME.source}`)
  if (!isCount(capacity, MAX_COUNT)) return fault('capacity', capacity, countUpTo(MAX_COUNT))
  if (!isCount(refillTokens, MAX_COUNT)) return fault('refillTokens', refillTokens, countUpTo(MAX_COUNT))
  if (!isCount(refillIntervalMs, MAX_INTERVAL_MS)) {
    return fault('refillIntervalMs', refillIntervalMs, countUpTo(MAX_INTERVAL_MS))
  }
  if (isExact({ name, capacity, refillTokens, refillIntervalMs })) return undefined
  return fault('', value, 'a limit that can be counted exactly')
}

function haveDistinctNames(limits: readonly Limit[]): boolean {
  return limits.length === 1 || new Set(limits.map(({ name }) => name)).size === limits.length
}

function fault(member: string, found: unknown, allowed: string): MemberFault {
  return { member, found, allowed }
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

function isCount(value: unknown, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= max
}

function countUpTo(max: number): string {
  return `an integer between 1 and ${max}`
}
