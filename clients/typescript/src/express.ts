import type { IncomingMessage, ServerResponse } from 'node:http'
import { denialOf } from './denial.ts'
import { checkThrottleOptions, judge, type ThrottleOptions } from './middleware.ts'
import { rateLimitFields } from './rate-limit-fields.ts'
import { settleByResponse } from './settle-by-response.ts'

export type { ThrottleOptions } from './middleware.ts'

/** What every request of Express has. For more of it, annotate the parameter: `(request: Request) => …`. */
export interface ExpressRequest extends IncomingMessage {
  /** `trust proxy` decides whose address it is. */
  readonly ip?: string | undefined
  readonly path: string
  readonly originalUrl: string
  readonly params: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly query: Readonly<Record<string, unknown>>
  get(field: string): string | undefined
}

/** What every response of Express has. */
export interface ExpressResponse extends ServerResponse {
  json(body: unknown): unknown
  send(body: unknown): unknown
}

/** A middleware of Express, or of another framework that passes Node's own request and response. */
export interface ExpressMiddleware<Request, Response> {
  /**
   * For a `key` that takes more of a request than the framework's types have, such as what an earlier middleware adds: they cannot
   * express that it is there.
   */
  (request: IncomingMessage, response: Response, next: (err?: unknown) => void): void
  /** The last signature is the one that `app.use` infers the type of the request from. */
  (request: Request, response: Response, next: (err?: unknown) => void): void
}

/**
 * Limits the requests that reach it.
 * @throws {TypeError} if an option is missing, unknown or invalid; the message names it
 */
export function throttle<
  Request extends IncomingMessage = ExpressRequest,
  Response extends ServerResponse = ExpressResponse,
>(options: ThrottleOptions<Request, Response>): ExpressMiddleware<Request, Response> {
  checkThrottleOptions(options)
  return (request: IncomingMessage, response: Response, next: (err?: unknown) => void) => {
    admit(options, request as Request, response).then(isAdmitted => {
      if (isAdmitted) next()
    }, next)
  }
}

/** Answers a denied request. */
async function admit<Request, Response extends ServerResponse>(
  options: ThrottleOptions<Request, Response>,
  request: Request,
  response: Response,
): Promise<boolean> {
  const verdict = await judge(options, request)
  if (verdict === undefined) return true
  const { decision, reservation } = verdict
  if (decision.allowed) {
    setFields(response, rateLimitFields(decision))
    if (reservation !== undefined) settleByResponse(response, reservation)
    return true
  }
  const { status, fields, problem } = denialOf(decision)
  response.statusCode = status
  setFields(response, fields)
  if (options.onDenied === undefined) response.end(problem)
  else await options.onDenied(request, response, decision)
  return false
}

function setFields(response: ServerResponse, fields: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(fields)) response.setHeader(name, value)
}
