import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { ERRORS, type ErrorCode, errorKind, errorType, Problem, validationProblem } from '../lib/errors.ts'
import { fieldErrors } from '../lib/field-errors.ts'
import { connectionEnded } from './arriving-bodies.ts'
import { emptyBody } from './json-body.ts'
import type { ProblemResponse } from './problem.schema.ts'
import type { LoggedRequest, Reply } from './reply.ts'
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

export type AnswerProblem = (problem: Problem, request: LoggedRequest, reply: Reply) => void

/**
 * Answers with problems of the catalogue, and logs those that the service caused.
 * @param explain returns the problem with what it does not say itself
 */
export function answerProblems(log: RequestLog, explain: (problem: Problem) => Problem): AnswerProblem {
  return (given, request, reply) => {
    const problem = explain(given)
    if (problem.status >= 500 && problem.code !== 'http-version-unsupported') log.failed(request, problem)
    sendProblem(request, reply, problem)
  }
}

function sendProblem({ id }: LoggedRequest, reply: Reply, problem: Problem): void {
  const { retryAfter } = errorKind(problem.code)
  if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter))
  reply
    .code(problem.status)
    .headers(problem.headers)
    .header('content-type', PROBLEM_MEDIA_TYPE)
    .send(JSON.stringify(problemBody(problem, id)))
}

/** Ends a request with a problem from a callback, as `throw` does in a route. */
export function fail(reply: Reply, problem: Problem): void {
  reply.send(problem)
}

/** Answers thrown errors with problems. Those that are not of the catalogue are bugs, which are logged and not shown. */
export function answerErrors(answerProblem: AnswerProblem) {
  return (err: FastifyError | Problem, request: FastifyRequest, reply: FastifyReply): void => {
    keepConnection(reply)
    const problem = err instanceof Problem ? err : toProblem(err, request)
    // With the field alone, Node would still handle requests that were sent with this one.
    if (problem.headers['connection'] === 'close') reply.raw.shouldKeepAlive = false
    answerProblem(problem, request, reply)
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
  return internalProblem(err)
}

/** The problem of a bug. */
export function internalProblem(cause: unknown): Problem {
  return new Problem('internal', 'the service could not answer; its log has the reason', { cause })
}

const FASTIFY_ERRORS: Readonly<Record<string, { code: ErrorCode; detail: string }>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    code: 'media-type-unsupported',
    detail: 'the body must be application/json, or application/x-ndjson for imports, in UTF-8',
  },
}
