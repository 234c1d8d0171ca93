import type { PolicyState, Rejection } from './decider.ts'
import type { PolicyEvent } from './events.ts'

/** What an applied command did to its key. */
export type Effect = 'created' | 'changed' | 'deleted' | 'unchanged'

/** What an import did to the keys that it names. */
export interface ImportCounts {
  readonly created: number
  readonly changed: number
  readonly unchanged: number
}

export interface AppliedCommand {
  readonly id: string
  readonly key: string
  readonly status: 'applied'
  readonly version: number
  readonly effect: Effect
}

export interface AppliedPart {
  readonly id: string
  readonly status: 'applied'
  readonly counts: ImportCounts
}

export interface RejectedCommand {
  readonly id: string
  /** Absent for a part of an import. */
  readonly key?: string
  readonly status: 'rejected'
  readonly error: Rejection
}

/** How a command ended; final. */
export type Outcome = AppliedCommand | AppliedPart | RejectedCommand

/** A command that could not be processed. An operator may have it tried again, so it is not final. */
export interface FailedCommand {
  readonly id: string
  /** Absent for a part of an import, and where the command could not be read. */
  readonly key?: string
  readonly status: 'failed'
  readonly error: { readonly code: 'internal'; readonly detail: string }
  /** How far the actor was then, so that a retry is noticed that comes too late; `null` where that could not be read. */
  readonly standing: number | null
}

export type Ending = Outcome | FailedCommand

export function effectOf(before: PolicyState, { policy }: Pick<PolicyEvent, 'policy'>): Effect {
  if (policy === null) return 'deleted'
  return before.policy === null ? 'created' : 'changed'
}

export const NOTHING_IMPORTED: ImportCounts = { created: 0, changed: 0, unchanged: 0 }

export function sumOfCounts(counts: readonly ImportCounts[]): ImportCounts {
  return counts.reduce(
    (sum, { created, changed, unchanged }) => ({
      created: sum.created + created,
      changed: sum.changed + changed,
      unchanged: sum.unchanged + unchanged,
    }),
    NOTHING_IMPORTED,
  )
}
