import type { FastifyReply, FastifyRequest } from 'fastify'
import { type BucketDecision, type Decision, explain } from '../../domain/decision.ts'
import { PROBLEM_MEDIA_TYPE } from '../../http/problem.ts'
import { sendJson } from '../../http/send-json.ts'
import { ERRORS, errorType } from '../../lib/errors.ts'
import { decisionJson, decisionMembers } from './decision-json.ts'

export function sendDecision(reply: FastifyReply, decision: Decision): FastifyReply {
  return sendJson(reply, decisionJson(decision))
}

/** Sends a denial: a problem with the members of the decision. @param status replaces 429 */
export function sendDenial(
  request: FastifyRequest,
  reply: FastifyReply,
  decision: Decision,
  status = 429,
): FastifyReply {
  return reply
    .code(status)
    .header('content-type', PROBLEM_MEDIA_TYPE)
    .send(denialJson(decision, status, request.id))
}

/**
 * The same as `problemBody`, but written by hand, since a flood is answered by nothing else; a `Problem` for each response would be
 * costly.
 */
export function denialJson(decision: Decision, status: number, requestId: string): string {
  const { code, opening, detail } = decision.blocked ? BLOCKED : QUOTA_EXCEEDED
  const problem = `${opening},"status":${status},"detail":${JSON.stringify(detail(decision))},"instance":"urn:request:${requestId}","code":"${code}"`
  return `{${problem},${decisionMembers(decision)}}`
}

/** Only a bucket can deny so. */
const QUOTA_EXCEEDED = {
  ...denialOf('quota-exceeded'),
  detail: (decision: Decision) => explain(decision as BucketDecision),
}

const BLOCKED = {
  ...denialOf('blocked'),
  detail: ({ policy }: Decision) => `the policy "${policy.configKey}" blocks the key`,
}

function denialOf(code: 'quota-exceeded' | 'blocked') {
  return { code, opening: `"type":"${errorType(code)}","title":"${ERRORS[code].title}"` }
}
