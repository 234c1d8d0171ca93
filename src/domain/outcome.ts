import type { CommandId } from './command-id.ts'
import { type PolicyState, type Rejection, stateAt } from './decider.ts'
import type { PolicyEvent } from './events.ts'

/** The effect of an applied command on its key. */
export type Effect = ChangeEffect | 'unchanged'

/** The effect of an event on its key. */
export type ChangeEffect = 'created' | 'changed' | 'deleted'

/** The effects of an import on its keys. */
export interface ImportCounts {
  readonly created: number
  readonly changed: number
  readonly unchanged: number
  /** Policies that were pruned. */
  readonly deleted: number
}

/** Counts that release 0.1.0 has stored have no `deleted`. */
export type StoredCounts = Omit<ImportCounts, 'deleted'> & Partial<ImportCounts>

export interface AppliedCommand {
  readonly id: CommandId
  readonly key: string
  readonly status: 'applied'
  readonly version: number
  readonly effect: Effect
}

export interface AppliedPart {
  readonly id: CommandId
  readonly status: 'applied'
  readonly counts: StoredCounts
}

export interface RejectedCommand {
  readonly id: CommandId
  /** Absent for a part of an import. */
  readonly key?: string
  readonly status: 'rejected'
  readonly error: Rejection
}

/** The final result of a command. */
export type Outcome = AppliedCommand | AppliedPart | RejectedCommand

/** A command that could not be processed. Not final, since an operator may retry it. */
export interface FailedCommand {
  readonly id: CommandId
  /** Absent for a part of an import, and for an unreadable command. */
  readonly key?: string
  readonly status: 'failed'
  readonly error: { readonly code: 'internal'; readonly detail: string }
  /**
   * The version of the key at the first failure, or the log's position for a part of an import. A change since then supersedes a
   * retry. `null` if it could not be read.
   */
  readonly revisionAtFailure: number | null
}

export type CommandResult = Outcome | FailedCommand

export function effectOf(before: PolicyState, { policy, at }: Pick<PolicyEvent, 'policy' | 'at'>): ChangeEffect {
  if (policy === null) return 'deleted'
  return stateAt(before, Date.parse(at)).policy === null ? 'created' : 'changed'
}

export const NOTHING_IMPORTED: ImportCounts = { created: 0, changed: 0, unchanged: 0, deleted: 0 }

export function sumOfCounts(counts: readonly StoredCounts[]): ImportCounts {
  return counts.reduce<ImportCounts>(
    (sum, { created, changed, unchanged, deleted = 0 }) => ({
      created: sum.created + created,
      changed: sum.changed + changed,
      unchanged: sum.unchanged + unchanged,
      deleted: sum.deleted + deleted,
    }),
    NOTHING_IMPORTED,
  )
}
