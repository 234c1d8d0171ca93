import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { fail } from '../../http/problem.ts'
import type { LoggedRequest, Reply } from '../../http/reply.ts'
import type { RequestLog } from '../../http/request-log.ts'
import type { RouteDocs } from '../../http/route-docs.ts'
import { Problem } from '../../lib/errors.ts'
import type { FieldStyle } from '../../settings/env.schema.ts'
import { acceptKey, acceptPolicyName } from '../accept-key.ts'
import type { Checker } from '../checker.ts'
import { writeRateLimitFields } from '../rate-limit-fields.ts'
import { CheckRequest, DecisionResponse, DenialResponse } from './check.schema.ts'
import { sendDecision, sendDenial } from './send-decision.ts'

export interface CheckRoutesOptions {
  readonly checker: Pick<Checker, 'check'>
  readonly fieldStyle: FieldStyle
  readonly log: RequestLog
}

/** The part of the description that both routes for a single check share. */
export const CHECK_DOCS = {
  errors: [
    'key-invalid',
    'key-reserved',
    'policy-unknown',
    'tokens-exceed-capacity',
    'quota-exceeded',
    'blocked',
    'store-unavailable',
    'overloaded',
  ],
  denial: DenialResponse,
  fields: { 200: ['ratelimit', 'ratelimit-policy'] },
} as const satisfies Partial<RouteDocs>

const DOCS: RouteDocs = {
  summary: 'Decide a check',
  description:
    'Spends tokens of a key if its policy allows it. A denied check spends nothing, and gets 429 with the time after ' +
    'which it would be allowed.',
  ...CHECK_DOCS,
  responses: { 200: DecisionResponse },
}

/** `POST /check`: may this key do this now? */
export const checkRoutes: FastifyPluginAsyncTypebox<CheckRoutesOptions> = async (app, options) => {
  app.post(
    '/check',
    {
      config: { access: 'check', basic: true, docs: DOCS },
      schema: { body: CheckRequest },
    },
    answerCheck(options),
  )
}

interface CheckCall extends LoggedRequest {
  readonly body: CheckRequest
}

/** Answers requests whose body is valid. What it throws is an answer, too. */
export function answerCheck({ checker, fieldStyle, log }: CheckRoutesOptions) {
  return (request: CheckCall, reply: Reply): void => {
    const { body } = request
    acceptKey('/key', body.key)
    acceptPolicyName('/policy', body.policy)
    checker.check(
      body,
      (result, tookMs) => {
        log.checked(request, tookMs)
        if (result instanceof Problem) return fail(reply, result)
        writeRateLimitFields(result, fieldStyle, reply)
        if (result.allowed) sendDecision(reply, result)
        else sendDenial(request, reply, result)
      },
      request,
    )
  }
}
