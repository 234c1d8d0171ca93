/** The last event of a log: its position and its text. */
export interface LogEnd {
  readonly position: number
  /** `null` if the log has no event. */
  readonly event: string | null
}
