import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { sendProblem } from '../http/problem.ts'
import { CheckRequest, DecisionResponse } from './check.schema.ts'
import type { Checker } from './check.ts'
import { decided, decisionBody, denialProblem } from './decision-body.ts'
import { type FieldStyle, writeRateLimitFields } from './rate-limit-fields.ts'

export interface CheckRoutesOptions {
  readonly checker: Checker
  readonly fieldStyle: FieldStyle
}

/** `POST /check`: may this key do this now? */
export const checkRoutes: FastifyPluginAsyncTypebox<CheckRoutesOptions> = async (app, options) => {
  const { checker, fieldStyle } = options

  app.post(
    '/check',
    { config: { access: 'check' }, schema: { body: CheckRequest, response: { 200: DecisionResponse } } },
    async (request, reply) => {
      const { key, tokens } = request.body
      const decision = decided(await checker.check(key, tokens))
      writeRateLimitFields(decision, fieldStyle, (name, value) => reply.header(name, value))
      if (!decision.allowed) return sendProblem(request, reply, denialProblem(decision))
      return decisionBody(decision)
    },
  )
}
