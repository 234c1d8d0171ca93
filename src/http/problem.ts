import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyReply, FastifyRequest, FastifySchemaValidationError } from 'fastify'
import { ERRORS, type ErrorCode, errorKind, errorType, type FieldError, Problem, validationProblem } from '../errors.ts'

export const PROBLEM_MEDIA_TYPE = 'application/problem+json; charset=utf-8'

/** The JSON of a problem response (RFC 9457). */
export function problemBody(problem: Problem, requestId: string): Record<string, unknown> {
  return {
    type: errorType(problem.code),
    title: ERRORS[problem.code].title,
    status: problem.status,
    detail: problem.detail,
    instance: `urn:request:${requestId}`,
    code: problem.code,
    ...problem.members,
  }
}

export function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem): FastifyReply {
  const { retryAfter } = errorKind(problem.code)
  if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter))
  return reply
    .code(problem.status)
    .headers(problem.headers)
    .type(PROBLEM_MEDIA_TYPE)
    .serializer(JSON.stringify as (payload: unknown) => string)
    .send(problemBody(problem, request.id))
}

/** Answers whatever was thrown with a problem of the catalogue; what is not in it is a bug, logged and not shown. */
export function handleError(err: FastifyError | Problem, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = err instanceof Problem ? err : toProblem(err)
  if (problem.code === 'internal') request.log.error({ err }, 'internal error')
  else if (problem.status >= 500) request.log.warn({ err: problem.cause, code: problem.code }, problem.detail)
  return sendProblem(request, reply, problem)
}

/**
 * What Fastify reports, in terms of the catalogue.
 * @see https://fastify.dev/docs/latest/Reference/Errors/
 */
function toProblem(err: FastifyError): Problem {
  if (err.validation !== undefined)
    return validationProblem(err.validation.map(e => fieldError(e, err.validationContext)))
  const known = FASTIFY_ERRORS[err.code]
  if (known !== undefined) return new Problem(known.code, known.detail)
  return new Problem('internal', 'the service could not answer; its log says more', { cause: err })
}

const FASTIFY_ERRORS: Readonly<Record<string, { code: ErrorCode; detail: string }>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    code: 'media-type-unsupported',
    detail: 'the body is not application/json in UTF-8, which is all that is allowed here',
  },
  FST_ERR_CTP_BODY_TOO_LARGE: { code: 'body-too-large', detail: 'the body has more than the 65536 bytes allowed here' },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    code: 'body-malformed',
    detail: 'the body is not as long as Content-Length says',
  },
  FST_ERR_BAD_URL: { code: 'key-invalid', detail: 'the path is not percent-encoded UTF-8' },
  FST_ERR_ASYNC_CONSTRAINT: { code: 'not-found', detail: 'there is no such resource' },
}

function fieldError(error: FastifySchemaValidationError, context = 'body'): FieldError {
  const parent = context === 'body' ? error.instancePath : `/${context}${error.instancePath}`
  const { keyword, params, message = 'is not allowed' } = error
  const given = 'data' in error && !isLarge(error.data) ? `; was ${JSON.stringify(error.data)}` : ''
  switch (keyword) {
    case 'additionalProperties':
      return {
        path: `${parent}/${String(params['additionalProperty'])}`,
        message: 'is not a member that is known here',
      }
    case 'required':
      return { path: `${parent}/${String(params['missingProperty'])}`, message: 'is missing' }
    case 'enum':
      return { path: parent, message: `must be one of ${(params['allowedValues'] as string[]).join(', ')}${given}` }
    default:
      return { path: parent, message: `${message}${given}` }
  }
}

function isLarge(value: unknown): boolean {
  return typeof value === 'object' ? value !== null : String(value).length > 100
}

/** An answer to what is no HTTP at all, written straight to the socket. */
export function rawProblem(problem: Problem, requestId: string): string {
  const body = JSON.stringify(problemBody(problem, requestId))
  return [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `content-type: ${PROBLEM_MEDIA_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'cache-control: no-store',
    `x-request-id: ${requestId}`,
    'connection: close',
    '',
    body,
  ].join('\r\n')
}
