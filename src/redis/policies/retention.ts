/** Where the records of commands stand, and for how long. */
export interface RetentionOptions {
  readonly keyPrefix: string
  /** How long it is told how a command ended, its name is kept, and the lines of an import's part that failed, ms. */
  readonly retentionMs: number
}
