/** One invalid field: a JSON pointer into the request body, and what is wrong with it. */
export interface FieldError {
  readonly path: string
  readonly message: string
}

/** An error response of the service (RFC 9457). */
export interface ProblemDocument {
  readonly status: number
  readonly code: string
  readonly title: string
  readonly detail: string
  readonly errors?: readonly FieldError[]
}

/** The service answered with an error instead of a decision. `code` is one of its documented error codes. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError'
  readonly code: string
  readonly status: number
  /** The invalid fields, if the service named them. */
  readonly errors: readonly FieldError[]

  constructor({ code, status, title, detail, errors = [] }: ProblemDocument) {
    super(`${title}: ${detail}`)
    this.code = code
    this.status = status
    this.errors = errors
  }
}

/** The service has denied a reservation without a decision: too many others of its key are in progress. */
export function isTooManyReservations(failure: unknown): boolean {
  return failure instanceof ServiceError && failure.code === 'too-many-reservations'
}
