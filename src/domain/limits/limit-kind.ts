import type { MemberFault } from '../member-fault.ts'
import type { LimitArithmetic } from './limit-arithmetic.ts'
import type { LimitFault, Unvalidated } from './limit-fault.ts'

/** What the service knows of a kind of limit, besides its arithmetic. */
export interface LimitKind<Limit, Compiled extends LimitArithmetic> {
  /** All members that such a limit can have. */
  readonly members: { readonly [member in keyof Limit as Limit[member] extends undefined ? never : member]-?: true }
  /** The members that only this kind has. Equal limits have the same text; no member of it contains a space. */
  textOf(limit: Limit): string
  /** The first member of a stored limit that is missing or malformed. Its name, its capacity and `shadow` are valid. */
  storedFault(limit: Unvalidated<Limit>): MemberFault | undefined
  /** Faults that a schema cannot express. */
  faults(limit: Limit): readonly LimitFault[]
  compile(limit: Limit, id: number): Compiled
}
