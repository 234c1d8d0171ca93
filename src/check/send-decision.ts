import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Decision, explain } from '../domain/decision.ts'
import { Problem } from '../errors.ts'
import { JSON_MEDIA_TYPE } from '../http/json-body.ts'
import { sendProblem } from '../http/problem.ts'
import { decisionJson, decisionMembers } from './decision-json.ts'

export function sendDecision(reply: FastifyReply, decision: Decision): FastifyReply {
  return reply.header('content-type', JSON_MEDIA_TYPE).send(decisionJson(decision))
}

/** A denial is a problem that has the members of the decision. `status` where it is not to be 429. */
export function sendDenial(
  request: FastifyRequest,
  reply: FastifyReply,
  decision: Decision,
  status = 429,
): FastifyReply {
  return sendProblem(request, reply, denialProblem(decision, status), decisionMembers(decision))
}

function denialProblem(decision: Decision, status: number): Problem {
  if (!decision.blocked) return new Problem('quota-exceeded', explain(decision), { status })
  return new Problem('blocked', `the policy "${decision.policy.configKey}" blocks the key`, { status })
}
