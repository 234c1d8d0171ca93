import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest, FastifySchemaCompiler } from 'fastify'
import { fail } from '../../http/problem.ts'
import type { RouteDocs } from '../../http/route-docs.ts'
import { Problem } from '../../lib/errors.ts'
import { acceptKey, acceptPolicyName } from '../accept-key.ts'
import type { GroupOutcome } from '../group-checker.ts'
import { writeRateLimitFields } from '../rate-limit-fields.ts'
import { acceptChecks } from './accept-checks.ts'
import { acceptQuery } from './accept-query.ts'
import { CHECK_DOCS, type CheckRoutesOptions } from './check.route.ts'
import {
  byNumberOfKeys,
  checksOf,
  type ForwardAuthQuery,
  hasSeveralKeys,
  pathIn,
  SeveralKeys,
} from './forward-auth.schema.ts'
import type { GroupRouteOptions } from './group.route.ts'
import { sendAnswer } from './send-answer.ts'
import { sendDenial, sendGroupDenial } from './send-decision.ts'

const DOCS: RouteDocs = {
  summary: 'Decide a check for a proxy',
  description:
    'Decides like `POST /check`, for the sub-request of a proxy such as nginx or Traefik. The status is the decision: an ' +
    'allowed check gets 200 without a body. With several keys, it decides like `POST /check/all`.',
  ...CHECK_DOCS,
  errors: [...CHECK_DOCS.errors, 'keys-apart'],
  denialStatuses: [429, 403],
  responses: { 200: Type.Null() },
}

/** `GET /forward-auth`: decides a check for a proxy's sub-request. The status is the decision; there is no body. */
export const forwardAuthRoute: FastifyPluginAsyncTypebox<CheckRoutesOptions & GroupRouteOptions> = async (
  app,
  { checker, groupChecker, fieldStyle, log },
) => {
  const decideTogether = (request: FastifyRequest, reply: FastifyReply, query: SeveralKeys) => {
    const checks = checksOf(query)
    acceptChecks(checks, pathIn(query))
    const onOutcome = sendAnswer({ request, reply, log }, ({ decision }: GroupOutcome) => {
      writeRateLimitFields(decision.binding, fieldStyle, reply)
      if (decision.allowed) reply.send()
      else sendGroupDenial(request, reply, decision, query.deny)
    })
    groupChecker.decide(checks, onOutcome, { origin: request })
  }

  app.get(
    '/forward-auth',
    {
      config: { access: 'check', docs: DOCS },
      schema: { querystring: SeveralKeys },
      validatorCompiler: byNumberOfKeys(app.validatorCompiler as FastifySchemaCompiler<unknown>),
    },
    (request, reply) => {
      const query = request.query as ForwardAuthQuery
      acceptQuery(request.url)
      if (hasSeveralKeys(query)) return decideTogether(request, reply, query)
      acceptKey('/query/key', query.key)
      acceptPolicyName('/query/policy', query.policy)
      checker.check(
        query,
        (result, tookMs) => {
          log.checked(request, tookMs)
          if (result instanceof Problem) return fail(reply, result)
          writeRateLimitFields(result, fieldStyle, reply)
          return result.allowed ? reply.send() : sendDenial(request, reply, result, query.deny)
        },
        request,
      )
    },
  )
}
