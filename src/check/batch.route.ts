import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Decision } from '../domain/decision.ts'
import { keyFault } from '../domain/key.ts'
import { ERRORS, type FieldError, Problem } from '../errors.ts'
import { BatchRequest, MAX_BATCH_BYTES } from './batch.schema.ts'
import type { CheckRoutesOptions } from './check.route.ts'
import type { CheckRequest } from './check.schema.ts'
import { decisionBody } from './decision-body.ts'

/** `POST /check/batch`: up to 1,000 checks, each decided for itself. */
export const batchRoute: FastifyPluginAsyncTypebox<CheckRoutesOptions> = async (app, { checker }) => {
  app.post(
    '/check/batch',
    { bodyLimit: MAX_BATCH_BYTES, config: { access: 'check' }, schema: { body: BatchRequest } },
    async request => {
      const { checks } = request.body
      refuseBadKeys(checks)
      const results = await Promise.all(checks.map(({ key, tokens }) => checker.check(key, tokens).catch(asProblem)))
      return { results: results.map((result, i) => itemBody(checks[i]?.key ?? '', result)) }
    },
  )
}

/** @throws {Problem} `key-invalid`, naming each bad index */
function refuseBadKeys(checks: readonly CheckRequest[]): void {
  const errors = checks.flatMap(({ key }, index): FieldError[] => {
    const message = keyFault(key)
    return message === undefined ? [] : [{ path: `/checks/${index}/key`, message }]
  })
  if (errors.length === 0) return
  const detail = errors.map(({ path, message }) => `${path}: ${message}`).join('; ')
  throw new Problem('key-invalid', detail, { members: { errors } })
}

function asProblem(err: unknown): Problem {
  if (err instanceof Problem) return err
  throw err
}

function itemBody(key: string, result: Decision | Problem): Record<string, unknown> {
  if (result instanceof Problem) {
    const { code, status, detail } = result
    return { key, allowed: false, status, code, title: ERRORS[code].title, detail }
  }
  const body = decisionBody(result)
  return result.blocked ? { ...body, code: 'blocked' } : body
}
