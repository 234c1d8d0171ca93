/** A failure that an operator can act on. Its message says everything, so it is reported without a stack. */
export class OperatorError extends Error {
  override get name(): string {
    return this.constructor.name
  }
}

/** What to report of an error: its message if an operator can act on it. Anything else is a bug, so its stack is reported. */
export function reportOf(err: unknown): string {
  return err instanceof OperatorError ? err.message : String(err instanceof Error ? err.stack : err)
}

/** What to log of an error, by the same rule. */
export function faultFields(err: unknown): { reason: string } | { err: unknown } {
  return err instanceof OperatorError ? { reason: err.message } : { err }
}
