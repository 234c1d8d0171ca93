/** A connection that can be told to wait. */
export interface PacedConnection {
  /** The address of its client. */
  readonly client: string
  pauseReading(): void
  resumeReading(): void
}
