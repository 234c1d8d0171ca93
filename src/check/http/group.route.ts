import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { RequestLog } from '../../http/request-log.ts'
import type { RouteDocs } from '../../http/route-docs.ts'
import { sendJson } from '../../http/send-json.ts'
import type { FieldStyle } from '../../settings/env.schema.ts'
import type { GroupChecker, GroupOutcome } from '../group-checker.ts'
import { writeRateLimitFields } from '../rate-limit-fields.ts'
import { acceptChecks, pathInBody, withTokens } from './accept-checks.ts'
import { groupMembers } from './decision-json.ts'
import { GroupDenialResponse, GroupRequest, GroupResponse } from './group.schema.ts'
import { sendAnswer } from './send-answer.ts'
import { sendGroupDenial } from './send-decision.ts'

export interface GroupRouteOptions {
  readonly groupChecker: GroupChecker
  readonly fieldStyle: FieldStyle
  readonly log: RequestLog
}

export const GROUP_DOCS = {
  summary: 'Decide several checks together',
  description:
    'Decides checks of different keys, such as user, team and organisation, in one step: either all are allowed, or nothing is spent ' +
    'from any. The response shows the check that denies for longest, or is closest to its limit, and the result of each check.',
  errors: [
    'key-invalid',
    'key-reserved',
    'policy-unknown',
    'tokens-exceed-capacity',
    'keys-apart',
    'quota-exceeded',
    'blocked',
    'store-unavailable',
    'overloaded',
  ],
  denial: GroupDenialResponse,
  fields: { 200: ['ratelimit', 'ratelimit-policy'] },
  responses: { 200: GroupResponse },
} as const satisfies RouteDocs

/** `POST /check/all`: may all these keys do this now? */
export const groupRoute: FastifyPluginAsyncTypebox<GroupRouteOptions> = async (app, options) => {
  const { groupChecker, fieldStyle, log } = options

  app.post(
    '/check/all',
    { config: { access: 'check', docs: GROUP_DOCS }, schema: { body: GroupRequest } },
    (request, reply) => {
      const { checks, tokens } = request.body
      acceptChecks(checks, pathInBody)
      const onOutcome = sendAnswer({ request, reply, log }, ({ decision }: GroupOutcome) => {
        writeRateLimitFields(decision.binding, fieldStyle, reply)
        if (decision.allowed) sendJson(reply, `{${groupMembers(decision)}}`)
        else sendGroupDenial(request, reply, decision)
      })
      groupChecker.decide(withTokens(checks, tokens), onOutcome, { origin: request })
    },
  )
}
