import type { MemberFault } from '../member-fault.ts'

/** The largest number of tokens. */
export const MAX_COUNT = 1_000_000_000

/** A limit, or another object, whose members are not validated yet. */
export type Unvalidated<T> = { readonly [member in keyof T]?: unknown }

/** Why a limit that its schema accepts is refused. */
export interface LimitFault {
  /** JSON pointer into the limit; empty for the limit as a whole. */
  readonly path: string
  readonly message: string
}

/** @param allowed completes "must be …" */
export function memberFault(member: string, found: unknown, allowed: string): MemberFault {
  return { member, found, allowed }
}

export function countFault(member: string, found: unknown, max: number): MemberFault | undefined {
  return isCount(found, max) ? undefined : memberFault(member, found, `an integer between 1 and ${max}`)
}

function isCount(value: unknown, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= max
}
