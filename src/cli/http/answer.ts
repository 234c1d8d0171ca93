import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { isObject } from '../../lib/is-object.ts'
import type { OperatorError } from '../../lib/operator-error.ts'
import { parseJson } from '../../lib/parse-json.ts'
import { failureOf, RequestFailed } from '../backend/failure.ts'
import { isChange, reasonOf, type ServiceClient, type ServiceRequest, ServiceUnavailable, UNCERTAIN } from './client.ts'

/** A complete response. */
export interface Answer {
  readonly request: ServiceRequest
  readonly status: number
  /** `undefined` for an answer without a body, or with one that is not a JSON object. */
  readonly body: Readonly<Record<string, unknown>> | undefined
  readonly response: IncomingMessage
}

/** @throws {ServiceUnavailable} */
export async function ask(client: ServiceClient, request: ServiceRequest): Promise<Answer> {
  return readAnswer(client, request, await client.send(request))
}

/** @throws {ServiceUnavailable} */
export async function readAnswer(
  client: ServiceClient,
  request: ServiceRequest,
  response: IncomingMessage,
): Promise<Answer> {
  try {
    const body = parseJson(await text(response))
    return { request, status: response.statusCode ?? 0, body: isObject(body) ? body : undefined, response }
  } catch (err) {
    const uncertainty = isChange(request) ? `; ${UNCERTAIN}` : ''
    throw new ServiceUnavailable(`the answer of ${client.url} is incomplete: ${reasonOf(err)}${uncertainty}`)
  }
}

/**
 * The body of a successful answer.
 * @param member by which the body is recognized; another server may answer at the URL
 * @throws {OperatorError} what went wrong, in one line
 */
export function successOf<T extends object>(client: ServiceClient, answer: Answer, member: keyof T & string): T {
  if (answer.status >= 300) throw failureIn(client, answer)
  if (answer.body !== undefined && Object.hasOwn(answer.body, member)) return answer.body as T
  throw notThrottler(client, answer.status)
}

export function notThrottler({ url }: ServiceClient, status: number): OperatorError {
  return new RequestFailed(`${url} answered ${status}, but not as Throttler does; is this the URL of the service?`)
}

/** What an answer without success means for the user. */
export function failureIn(client: ServiceClient, answer: Answer): OperatorError {
  const { status } = answer
  if (isTemporary(status)) return new ServiceUnavailable(refusalIn(client, answer).message)
  return refusalIn(client, answer)
}

/** Whether a repeated request may succeed: too many calls, or a service or proxy that cannot answer now. */
function isTemporary(status: number): boolean {
  return status === 429 || status >= 502
}

function refusalIn(client: ServiceClient, answer: Answer): OperatorError {
  const { request, status, body, response } = answer
  const { code, detail } = body ?? {}
  if (status === 401) return new RequestFailed(loginFailure(client))
  if (typeof code === 'string' && typeof detail === 'string') {
    return failureOf({ code, detail }, contextOf(client, answer, code))
  }
  const { location } = response.headers
  if (status < 400 && location !== undefined) {
    return new RequestFailed(`${client.url} redirects to ${location}; give the URL of the service itself`)
  }
  // A proxy may have given up on a request that the service still carries out.
  const uncertainty = status >= 500 && isChange(request) ? `; ${UNCERTAIN}` : ''
  return new RequestFailed(
    `${client.url} answered ${status} ${response.statusMessage}, which is not an answer of Throttler${uncertainty}`,
  )
}

function loginFailure({ url, token }: ServiceClient): string {
  if (token !== undefined) return `${url} does not accept the token of ${token.source} (401 unauthorized)`
  return `${url} requires a token (401 unauthorized); set THROTTLER_TOKEN or give --token-file`
}

/** After a 503, a change may have been accepted all the same. */
function contextOf({ url }: ServiceClient, { request, status, response }: Answer, code: string): string {
  const retryAfter = response.headers['retry-after']
  const isUncertain = code === 'config-store-unavailable' && isChange(request)
  const notes = [
    `${status} ${code} from ${url}`,
    ...(retryAfter === undefined ? [] : [`retry after ${retryAfter} s`]),
    ...(isUncertain ? [UNCERTAIN] : []),
  ]
  return ` (${notes.join('; ')})`
}
