import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifySchemaCompiler } from 'fastify'
import { ERRORS, Problem } from '../errors.ts'
import type { RouteDocs } from '../http/route-docs.ts'
import { BatchRequest, BatchResponse, MAX_BATCH_BYTES } from './batch.schema.ts'
import { validateBatch } from './batch-validation.ts'
import type { CheckRoutesOptions } from './check.route.ts'
import type { CheckResult } from './check.ts'
import { decisionBody } from './decision-body.ts'

const DOCS: RouteDocs = {
  summary: 'Decide up to 1,000 checks, each for itself',
  errors: ['key-invalid'],
  responses: { 200: BatchResponse },
}

/** `POST /check/batch`: up to 1,000 checks, each decided for itself. */
export const batchRoute: FastifyPluginAsyncTypebox<CheckRoutesOptions> = async (app, { checker, log }) => {
  const compile = app.validatorCompiler
  const validatorCompiler: FastifySchemaCompiler<unknown> = route =>
    compile === undefined || route.httpPart === 'body' ? validateBatch : compile(route)

  app.post(
    '/check/batch',
    {
      bodyLimit: MAX_BATCH_BYTES,
      config: { access: 'check', docs: DOCS },
      schema: { body: BatchRequest },
      validatorCompiler,
    },
    async request => {
      const { checks } = request.body
      const startMs = performance.now()
      const results = await checker.checkAll(checks)
      log.checked(request, startMs)
      return { results: results.map((result, i) => itemBody(checks[i]?.key ?? '', result)) }
    },
  )
}

function itemBody(key: string, result: CheckResult): Record<string, unknown> {
  if (result instanceof Problem) {
    const { code, status, detail } = result
    return { key, allowed: false, status, code, title: ERRORS[code].title, detail }
  }
  const body = decisionBody(result)
  return result.blocked ? { ...body, code: 'blocked' } : body
}
