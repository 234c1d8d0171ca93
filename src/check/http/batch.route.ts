import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifySchemaCompiler } from 'fastify'
import type { ArrivingBodies } from '../../http/arriving-bodies.ts'
import { acceptOnlyJson } from '../../http/json-body.ts'
import { fail } from '../../http/problem.ts'
import type { RouteDocs } from '../../http/route-docs.ts'
import { sendJson } from '../../http/send-json.ts'
import { ERRORS, Problem } from '../../lib/errors.ts'
import type { BatchTurns } from '../batch-turns.ts'
import type { Checker } from '../checker.ts'
import type { CheckResult } from '../pending-check.ts'
import { BATCH_BODY, BatchRequest, BatchResponse } from './batch.schema.ts'
import { validateBatch } from './batch-validation.ts'
import type { CheckRoutesOptions } from './check.route.ts'
import { resultJson } from './decision-json.ts'

const DOCS: RouteDocs = {
  summary: 'Decide many checks',
  description:
    'Decides up to 1,000 checks, each on its own. The response is 200 even if checks are denied; each result says so.',
  errors: ['key-invalid', 'key-reserved'],
  responses: { 200: BatchResponse },
}

export interface BatchRouteOptions extends CheckRoutesOptions {
  readonly checker: Checker
  readonly bodies: ArrivingBodies
  readonly batchTurns: BatchTurns
}

/** `POST /check/batch`: up to 1,000 checks, each decided by itself. */
export const batchRoute: FastifyPluginAsyncTypebox<BatchRouteOptions> = async (app, options) => {
  const { checker, log, bodies, batchTurns } = options
  acceptOnlyJson(app, { bodies, ...BATCH_BODY })
  const compile = app.validatorCompiler
  const validatorCompiler: FastifySchemaCompiler<unknown> = route =>
    compile === undefined || route.httpPart === 'body' ? validateBatch : compile(route)

  app.post(
    '/check/batch',
    {
      config: { access: 'check', docs: DOCS },
      schema: { body: BatchRequest },
      validatorCompiler,
    },
    (request, reply) => {
      const { checks } = request.body
      const weight = checker.weigh(checks)
      const startMs = performance.now()
      const decide = () => {
        const results: CheckResult[] = new Array(checks.length)
        let pending = checks.length
        checker.checkAll(
          checks,
          (result, _tookMs, index) => {
            results[index] = result
            pending--
            if (pending > 0) return
            batchTurns.end(weight)
            log.checked(request, performance.now() - startMs)
            sendJson(reply, resultsJson(checks, results))
            // An old batch would keep its results alive until the next full garbage collection.
            results.length = 0
          },
          request,
        )
      }
      const turn = batchTurns.next(request, { checks: checks.length, weight })
      if (turn === undefined) decide()
      else turn.then(decide).catch((problem: Problem) => fail(reply, problem))
    },
  )
}

function resultsJson(checks: readonly { readonly key: string }[], results: readonly CheckResult[]): string {
  let json = '{"results":['
  for (let i = 0; i < results.length; i++) {
    const result = results[i] as CheckResult
    if (i > 0) json += ','
    if (result instanceof Problem) json += problemJson(checks[i]?.key ?? '', result)
    else json = resultJson(result, json)
  }
  return `${json}]}`
}

function problemJson(key: string, { code, status, detail }: Problem): string {
  return JSON.stringify({ key, allowed: false, status, code, title: ERRORS[code].title, detail })
}
