import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import { fail } from '../../http/problem.ts'
import type { RouteDocs } from '../../http/route-docs.ts'
import { Problem } from '../../lib/errors.ts'
import { acceptKey, acceptPolicyName } from '../accept-key.ts'
import { acceptQuery } from './accept-query.ts'
import { CHECK_DOCS, type CheckRoutesOptions } from './check.route.ts'
import { CheckRequest } from './check.schema.ts'
import { writeRateLimitFields } from './rate-limit-fields.ts'
import { sendDenial } from './send-decision.ts'

const ForwardAuthQuery = Type.Object(
  {
    ...CheckRequest.properties,
    deny: Type.Optional(
      Type.Unsafe<403>({
        type: 'integer',
        enum: [403],
        description: 'Status of a denial instead of 429, for proxies that do not pass 429 on.',
      }),
    ),
  },
  { additionalProperties: false },
)

const DOCS: RouteDocs = {
  summary: 'Decide a check for a proxy',
  description:
    'Decides like `POST /check`, for the sub-request of a proxy such as nginx or Traefik. The status is the decision: an ' +
    'allowed check gets 200 without a body.',
  ...CHECK_DOCS,
  responses: { 200: Type.Null() },
}

/** `GET /forward-auth`: decides a check for a proxy's sub-request. The status is the decision; there is no body. */
export const forwardAuthRoute: FastifyPluginAsyncTypebox<CheckRoutesOptions> = async (
  app,
  { checker, fieldStyle, log },
) => {
  app.get(
    '/forward-auth',
    { config: { access: 'check', docs: DOCS }, schema: { querystring: ForwardAuthQuery } },
    (request, reply) => {
      const { query } = request
      acceptQuery(request.url)
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
        request.id,
      )
    },
  )
}
