import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { ERRORS, type ErrorCode, errorKind, errorType, Problem, validationProblem } from '../lib/errors.ts'
import { fieldErrors } from '../lib/field-errors.ts'
import { connectionEnded } from './arriving-bodies.ts'
import { emptyBody } from './json-body.ts'
import type { ProblemResponse } from './problem.schema.ts'
import type { RequestLog } from './request-log.ts'

export const PROBLEM_MEDIA_TYPE = 'application/problem+json; charset=utf-8'

/** The members of a problem response (RFC 9457). */
export function problemBody(problem: Problem, requestId: string): ProblemResponse {
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

function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem): FastifyReply {
  const { retryAfter } = errorKind(problem.code)
  if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter))
  return reply
    .code(problem.status)
    .headers(problem.headers)
    .header('content-type', PROBLEM_MEDIA_TYPE)
    .send(JSON.stringify(problemBody(problem, request.id)))
}

/** Ends a request with a problem from a callback, as `throw` does in a route. */
export function fail(reply: FastifyReply, problem: Problem): void {
  reply.send(problem)
}

/**
 * Answers thrown errors with problems of the catalogue. Other errors are bugs, which are logged and not shown.
 * @param explain returns the problem with what it does not say itself
 */
export function answerErrors(log: RequestLog, explain: (problem: Problem) => Problem) {
  return (err: FastifyError | Problem, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const problem = explain(err instanceof Problem ? err : toProblem(err, request))
    if (problem.status >= 500 && problem.code !== 'http-version-unsupported') log.failed(request, problem)
    keepConnection(reply)
    return sendProblem(request, reply, problem)
  }
}

/**
 * Keeps the connection open after a refused body. Fastify would close it, and a caller that is still sending could lose the
 * response. The rest of the body is read and discarded, unless the server is closing, which the raw fields show.
 */
function keepConnection(reply: FastifyReply): void {
  const { raw } = reply
  if (!reply.hasHeader('connection') || raw.hasHeader('connection')) return
  reply.header('connection', raw.shouldKeepAlive ? 'keep-alive' : 'close')
}

/**
 * Maps an error of Fastify to a problem.
 * @see https://fastify.dev/docs/latest/Reference/Errors/
 */
function toProblem(err: FastifyError, { body, raw }: FastifyRequest): Problem {
  if (err.validationContext === 'body' && body === undefined) return emptyBody()
  if (err.validation !== undefined) return validationProblem(fieldErrors(err.validation, err.validationContext))
  const known = FASTIFY_ERRORS[err.code]
  if (known !== undefined) return new Problem(known.code, known.detail)
  if (err === raw.errored) return connectionEnded()
  return new Problem('internal', 'the service could not answer; its log has the reason', { cause: err })
}

const FASTIFY_ERRORS: Readonly<Record<string, { code: ErrorCode; detail: string }>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    code: 'media-type-unsupported',
    detail: 'the body must be application/json, or application/x-ndjson for imports, in UTF-8',
  },
}
