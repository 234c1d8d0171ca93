import { type BucketDecision, type Decision, explain } from '../../domain/decision.ts'
import type { GroupDecision } from '../../domain/group-decision.ts'
import { PROBLEM_MEDIA_TYPE } from '../../http/problem.ts'
import type { LoggedRequest, Reply } from '../../http/reply.ts'
import { sendJson } from '../../http/send-json.ts'
import { atEndOfTurn } from '../../lib/end-of-turn.ts'
import { ERRORS, errorType } from '../../lib/errors.ts'
import { decisionJson, decisionMembers, groupMembers } from './decision-json.ts'

export function sendDecision(reply: Reply, decision: Decision): Reply {
  const json = decisionJson(decision)
  if (decision.source === 'redis') return sendJson(reply, json)
  return sendAfterReading(() => sendJson(reply, json), reply)
}

/** Sends a denial: a problem with the members of the decision. @param status replaces 429 */
export function sendDenial(request: Pick<LoggedRequest, 'id'>, reply: Reply, decision: Decision, status = 429): Reply {
  return sendProblemJson(reply, status, denialJson(decision, status, request.id))
}

/** Sends the denial of a group: a problem of the check that denies for longest, with the result of each check. */
export function sendGroupDenial(
  request: Pick<LoggedRequest, 'id'>,
  reply: Reply,
  group: GroupDecision,
  status = 429,
): Reply {
  return sendProblemJson(reply, status, denialJson(group.binding, status, request.id, groupMembers(group)))
}

function sendProblemJson(reply: Reply, status: number, json: string): Reply {
  reply.code(status).header('content-type', PROBLEM_MEDIA_TYPE)
  return sendAfterReading(() => reply.send(json), reply)
}

/**
 * Sends once all requests that this turn of the event loop reads are decided. What needs no store is decided as it is read. Sent at once,
 * each answer would wake its client between two of them, which is a quarter of what a flood costs. The store's answers come together anyway.
 */
function sendAfterReading(send: () => Reply, reply: Reply): Reply {
  atEndOfTurn(send)
  return reply
}

/**
 * The same as `problemBody`, but written by hand, since a flood is answered by nothing else; a `Problem` for each response would be
 * costly.
 */
export function denialJson(
  decision: Decision,
  status: number,
  requestId: string,
  members = decisionMembers(decision),
): string {
  const { code, opening, detail } = decision.blocked ? BLOCKED : QUOTA_EXCEEDED
  const problem = `${opening},"status":${status},"detail":${JSON.stringify(detail(decision))},"instance":"urn:request:${requestId}","code":"${code}"`
  return `{${problem},${members}}`
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
