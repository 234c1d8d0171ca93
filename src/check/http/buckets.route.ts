import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import type { Decision } from '../../domain/decision.ts'
import { policyMembers } from '../../domain/policy.ts'
import type { RouteDocs } from '../../http/route-docs.ts'
import { sendJson } from '../../http/send-json.ts'
import { Problem } from '../../lib/errors.ts'
import type { Checker, CheckResult } from '../checker.ts'
import { acceptKey } from './accept-key.ts'
import { DecisionResponse, PolicyMembers } from './check.schema.ts'
import { decisionMembers } from './decision-json.ts'

export interface BucketRoutesOptions {
  readonly checker: Checker
}

const KeyParams = Type.Object({
  key: Type.String({ description: 'A caller’s key, percent-encoded.', examples: ['user:42'] }),
})

const BucketResponse = Type.Object({
  ...DecisionResponse.properties,
  definition: Type.Object({ policy: Type.String(), version: Type.Integer(), ...PolicyMembers }),
})

const READ_DOCS: RouteDocs = {
  summary: 'The live state of a key',
  errors: ['store-unavailable', 'overloaded'],
  responses: { 200: BucketResponse },
}

const RESET_DOCS: RouteDocs = {
  summary: 'Make a key’s bucket full again',
  errors: ['store-unavailable'],
  responses: { 204: Type.Null() },
}

/** `/buckets/{key}`: operators look at the live state of a key, and fill it up again. */
export const bucketRoutes: FastifyPluginAsyncTypebox<BucketRoutesOptions> = async (app, { checker }) => {
  app.get(
    '/buckets/:key',
    { config: { access: 'admin', docs: READ_DOCS }, schema: { params: KeyParams } },
    async (request, reply) => {
      const { key } = request.params
      acceptKey('/params/key', key)
      const decision = decided(await new Promise<CheckResult>(resolve => checker.check(key, 0, resolve)))
      const json = `{${decisionMembers(decision)},"definition":${JSON.stringify(definitionBody(decision))}}`
      return sendJson(reply, json)
    },
  )

  app.delete(
    '/buckets/:key',
    { config: { access: 'admin', docs: RESET_DOCS }, schema: { params: KeyParams } },
    async (request, reply) => {
      const { key } = request.params
      acceptKey('/params/key', key)
      await checker.reset(key)
      return reply.code(204).send()
    },
  )
}

/** The policy in force. */
function definitionBody({ policy }: Decision): Record<string, unknown> {
  const { configKey, version, definition } = policy
  return { policy: configKey, version, ...policyMembers(definition), description: undefined }
}

/** @throws {Problem} the result, if it is one */
function decided(result: CheckResult): Decision {
  if (result instanceof Problem) throw result
  return result
}
