/**
 * Shadow limits: a limit of any kind is counted beside those that are enforced, and denies nobody, so that an operator can try it out.
 * They count by what the enforced limits allow.
 */
import type { MemberFault } from '../member-fault.ts'
import { memberFault } from './limit-fault.ts'

/** The member of a limit of any kind. */
interface Shadow {
  readonly shadow?: true
}

export function isShadow({ shadow }: Shadow): boolean {
  return shadow !== undefined
}

/** @param shadow of a stored limit */
export function storedShadowFault(shadow: unknown): MemberFault | undefined {
  return shadow === undefined || shadow === true ? undefined : memberFault('shadow', shadow, 'absent or true')
}

/** The limits that can deny. */
export function enforced<Limit extends { readonly isShadow: boolean }>(limits: readonly Limit[]): readonly Limit[] {
  return limits.some(limit => limit.isShadow) ? limits.filter(limit => !limit.isShadow) : limits
}
