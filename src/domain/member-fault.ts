/** A member of a stored value that is missing, malformed or unknown. */
export interface MemberFault {
  /** Its path, such as `policy.limits[0].capacity`. */
  readonly member: string
  /** `undefined` when it is missing. */
  readonly found: unknown
  /** Completes "must be …". */
  readonly allowed: string
}

/** The fault of a member's own member or element, as a fault of the value that holds both. */
export function faultWithin(parent: string, fault: MemberFault | undefined): MemberFault | undefined {
  if (fault === undefined) return undefined
  const { member } = fault
  const separator = parent === '' || member === '' || member.startsWith('[') ? '' : '.'
  return { ...fault, member: `${parent}${separator}${member}` }
}
