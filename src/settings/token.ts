/** A bearer token of `ADMIN_TOKENS` or `CHECK_TOKENS`. */
export interface Token {
  /** Who calls, in the log and in the history of policies. */
  readonly name: string
  readonly token: string
  readonly readOnly: boolean
}
