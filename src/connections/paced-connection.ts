import type { ReadEstimate } from './read-estimate.ts'

/** A connection that can be told to wait. */
export interface PacedConnection {
  /** The address of its client. */
  readonly client: string
  readonly estimate: ReadEstimate
  pauseReading(): void
  resumeReading(): void
}
