/** A problem as the service describes it (RFC 9457). */
export interface ProblemDocument {
  readonly status: number
  readonly code: string
  readonly title: string
  readonly detail: string
}

/** The service answered with a problem that is no decision; `code` is one of its documented codes. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError'
  readonly code: string
  readonly status: number

  constructor({ code, status, title, detail }: ProblemDocument) {
    super(`${title}: ${detail}`)
    this.code = code
    this.status = status
  }

  /** Whether the caller asked wrongly, which trying again does not mend. */
  get isCallersFault(): boolean {
    return this.status < 500
  }
}
