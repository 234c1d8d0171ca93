/** A failure that an operator can act on. Its message says everything, so it is reported without a stack. */
export class OperatorError extends Error {
  override get name(): string {
    return this.constructor.name
  }
}
