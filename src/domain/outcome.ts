import type { RejectionCode } from './decider.ts'

/** What an applied command did to its key. */
export type Effect = 'created' | 'changed' | 'deleted' | 'unchanged'

interface OutcomeBase {
  readonly id: string
  readonly key: string
}

/** How a command ended; final. */
export type Outcome =
  | (OutcomeBase & { readonly status: 'applied'; readonly version: number; readonly effect: Effect })
  | (OutcomeBase & {
      readonly status: 'rejected'
      readonly error: { readonly code: RejectionCode; readonly detail: string }
    })
