/** Calls of the service. The browser adds the name and token that it was asked for. */

interface ProblemBody {
  readonly code?: string
  readonly title?: string
  readonly detail?: string
  readonly key?: string
  readonly errors?: readonly { readonly path: string; readonly message: string }[]
}

/** The service refused a call, or could not be reached (status 0). */
export class CallFailure extends Error {
  readonly status: number
  readonly code: string
  /** The key that the service was asked for, if the answer names it. */
  readonly key: string | undefined
  /** What is wrong with which member of the request. */
  readonly faults: readonly { readonly path: string; readonly message: string }[]

  constructor(status: number, { code = 'unreachable', title = '', detail, key, errors = [] }: ProblemBody) {
    super(detail ?? title)
    this.status = status
    this.code = code
    this.key = key
    this.faults = errors
  }

  /** Whether the call may have been obeyed all the same. */
  get isOutcomeUnknown(): boolean {
    return this.status === 0 || this.status >= 500
  }
}

export interface Call {
  readonly method?: string
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly signal?: AbortSignal | undefined
  /** Statuses of 400 and more whose body is a result too. */
  readonly accepts?: readonly number[]
}

export interface Reply<Body> {
  readonly status: number
  readonly body: Body
  readonly etag: string | undefined
}

/** Paths are relative to the page, so that the console also works behind a proxy that adds a prefix. */
export async function call<Body>(path: string, { method = 'GET', ...rest }: Call = {}): Promise<Reply<Body>> {
  const { query = {}, headers = {}, body, signal, accepts = [] } = rest
  const given = Object.entries(query).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, String(value)]],
  )
  const search = new URLSearchParams(given).toString()
  const response = await fetch(search === '' ? path : `${path}?${search}`, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(signal && { signal }),
  }).catch((err: unknown) => {
    if (signal?.aborted) throw err
    throw new CallFailure(0, { title: 'The service cannot be reached from this browser.' })
  })
  const content = await contentOf(response)
  if (!response.ok && !accepts.includes(response.status))
    throw new CallFailure(response.status, problemOf(content, response))
  return { status: response.status, body: content as Body, etag: response.headers.get('etag') ?? undefined }
}

async function contentOf(response: Response): Promise<unknown> {
  const text = await response.text()
  const isJson = text !== '' && /[/+]json/.test(response.headers.get('content-type') ?? '')
  return isJson ? JSON.parse(text) : text
}

function problemOf(content: unknown, { status }: Response): ProblemBody {
  if (status === 401)
    return { code: 'unauthorized', title: 'The service no longer accepts this login. Reload the page.' }
  return typeof content === 'object' && content !== null
    ? content
    : { code: 'unexpected', title: `HTTP status ${status}` }
}

/**
 * A key as one segment of a path.
 * @throws for `.` and `..`, which browsers resolve before they send the path; what the service says of them elsewhere
 */
export function segment(key: string): string {
  if (key === '.' || key === '..') {
    throw new CallFailure(400, { code: 'key-invalid', detail: `the key "${key}" is not allowed` })
  }
  return encodeURIComponent(key)
}

/** A text as a header field: UTF-8 whose bytes are written as Latin-1, which is what `fetch` sends. */
export function fieldOf(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text))
}
