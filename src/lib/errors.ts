/**
 * The one catalogue of errors: every code that a caller can get, with its HTTP status and title.
 * @see https://www.rfc-editor.org/rfc/rfc9457 Problem Details for HTTP APIs
 */
interface ErrorKind {
  readonly status: number
  readonly title: string
  /** Default: `urn:throttler:error:<code>`. */
  readonly type?: string
  /** In seconds. */
  readonly retryAfter?: number
}

const IANA_PROBLEM_TYPES = 'https://iana.org/assignments/http-problem-types'

export const ERRORS = {
  'body-malformed': { status: 400, title: 'The body is not well-formed JSON in UTF-8' },
  'validation-failed': { status: 400, title: 'The request is invalid' },
  'key-invalid': { status: 400, title: 'The key is not allowed' },
  'key-reserved': { status: 400, title: 'The key is reserved' },
  'cursor-invalid': { status: 400, title: 'The cursor is invalid' },
  'import-invalid': { status: 400, title: 'A line of the import is invalid' },
  'tokens-exceed-capacity': { status: 400, title: 'More tokens than the limit ever holds' },
  'policy-unknown': { status: 400, title: 'The named policy does not exist' },
  'keys-apart': { status: 400, title: 'The keys cannot be decided together' },
  unauthorized: { status: 401, title: 'A valid token is required' },
  forbidden: { status: 403, title: 'Not allowed' },
  'not-found': { status: 404, title: 'The resource does not exist' },
  'policy-not-found': { status: 404, title: 'The key has no policy' },
  'version-not-found': { status: 404, title: 'The version does not exist' },
  'command-not-found': { status: 404, title: 'The command does not exist' },
  'reservation-not-found': { status: 404, title: 'The reservation does not exist' },
  'method-not-allowed': { status: 405, title: 'The resource does not support this method' },
  'version-is-deletion': { status: 409, title: 'The version is a deletion' },
  'reservation-ended': { status: 409, title: 'The reservation has ended' },
  superseded: { status: 409, title: 'The policy has changed since the command failed' },
  'version-conflict': { status: 412, title: 'The policy is at another version' },
  'body-too-large': { status: 413, title: 'The body is too large' },
  'media-type-unsupported': { status: 415, title: 'The media type is not supported' },
  'idempotency-key-reused': { status: 422, title: 'The Idempotency-Key belongs to another request' },
  'quota-exceeded': { status: 429, title: 'The limit is exceeded', type: `${IANA_PROBLEM_TYPES}#quota-exceeded` },
  blocked: { status: 429, title: 'The key is blocked' },
  'too-many-reservations': { status: 429, title: 'The key has too many reservations' },
  'admin-limit-exceeded': { status: 429, title: 'Too many admin calls' },
  'too-many-failed-logins': { status: 429, title: 'Too many failed logins' },
  'store-unavailable': {
    status: 503,
    title: 'The bucket store is unavailable',
    type: `${IANA_PROBLEM_TYPES}#temporary-reduced-capacity`,
    retryAfter: 1,
  },
  'config-store-unavailable': { status: 503, title: 'The policy store is unavailable', retryAfter: 1 },
  overloaded: { status: 503, title: 'The service is overloaded', retryAfter: 1 },
  draining: { status: 503, title: 'The service is not ready or is stopping', retryAfter: 1 },
  'http-version-unsupported': { status: 505, title: 'The HTTP version is not supported' },
  internal: { status: 500, title: 'Internal error' },
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof ERRORS

/** The codes of denied checks. */
export const DENIALS: ReadonlySet<unknown> = new Set<ErrorCode>(['quota-exceeded', 'blocked'])

export function errorKind(code: ErrorCode): ErrorKind {
  return ERRORS[code]
}

/** The URI that names the kind of problem. */
export function errorType(code: ErrorCode): string {
  return errorKind(code).type ?? `urn:throttler:error:${code}`
}

/** One invalid field: a JSON pointer into the body, query or headers, with what is allowed there and what was given. */
export interface FieldError {
  readonly path: string
  readonly message: string
}

interface ProblemOptions extends ErrorOptions {
  /** Further members of the problem response. */
  readonly members?: Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, string>>
}

/** An error of the catalogue, with a detail that says what was given and what is allowed. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: ErrorCode
  readonly members: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, string>>
  readonly status: number

  constructor(code: ErrorCode, detail: string, options: ProblemOptions = {}) {
    // A stack adds nothing to the code, and costs as much as the rest of a refusal.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(detail, options)
    Error.stackTraceLimit = stackTraceLimit
    this.code = code
    this.members = options.members ?? {}
    this.headers = options.headers ?? {}
    this.status = ERRORS[code].status
  }

  get detail(): string {
    return this.message
  }
}

/** Fields that a problem lists: a body can be wrong in more places than anybody reads, and a long list costs more than a check. */
export const MAX_FIELD_ERRORS = 20
const MAX_FIELD_ERRORS_IN_DETAIL = 10

/** The problem of one or more invalid fields. Its detail says how many there are. */
export function validationProblem(errors: readonly FieldError[], maxListed = MAX_FIELD_ERRORS): Problem {
  const named = errors
    .slice(0, MAX_FIELD_ERRORS_IN_DETAIL)
    .map(({ path, message }) => `${path || 'the body'}: ${message}`)
  const more = errors.length > named.length ? [`and ${errors.length - named.length} more`] : []
  const detail = [...named, ...more].join('; ')
  return new Problem('validation-failed', detail, { members: { errors: errors.slice(0, maxListed) } })
}
