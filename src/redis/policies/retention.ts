/** Where the records of commands are stored, and for how long. */
export interface RetentionOptions {
  readonly keyPrefix: string
  /** Lifetime of outcomes, failures, Idempotency-Keys and the lines of a failed import, in ms. */
  readonly retentionMs: number
}
