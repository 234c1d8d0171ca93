import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import type { Decision } from '../../domain/decision.ts'
import type { Hold } from '../../domain/holds.ts'
import { policyMembers } from '../../domain/policy.ts'
import { POLICY_DEFINITION_MEMBERS } from '../../http/policy-definition.schema.ts'
import type { RouteDocs } from '../../http/route-docs.ts'
import { sendJson } from '../../http/send-json.ts'
import { acceptBucketKey, acceptPolicyName } from '../accept-key.ts'
import type { LiveBuckets } from '../live-buckets.ts'
import { DecisionResponse, PolicyName, Tokens } from './check.schema.ts'
import { decisionMembers } from './decision-json.ts'
import { timeOf } from './reservation-json.ts'

export interface BucketRoutesOptions {
  readonly buckets: LiveBuckets
}

const KeyParams = Type.Object({
  key: Type.String({ description: 'The key, percent-encoded: 1 to 256 bytes of UTF-8.', examples: ['user:42'] }),
})

const BucketQuery = Type.Object(
  { tokens: Tokens('Tokens of the check that is previewed. Nothing is spent.'), policy: PolicyName },
  { additionalProperties: false },
)

const PolicyInForce = Type.Object(
  {
    policy: Type.String({ description: 'Its config key, or `default` for the built-in policy.' }),
    version: Type.Integer({ description: 'Its version. 0 for the built-in policy.' }),
    ...POLICY_DEFINITION_MEMBERS,
  },
  { title: 'PolicyInForce', description: 'The policy in force for a key.' },
)

const HeldResponse = Type.Object(
  {
    id: Type.String({ description: 'The id of the reservation.' }),
    tokens: Type.Integer({ minimum: 0, description: 'Tokens that it holds.' }),
    expiresAt: Type.String({ description: 'When it expires (RFC 3339).' }),
  },
  { title: 'Held', description: 'What one reservation holds of a key.' },
)

const BucketResponse = Type.Object(
  {
    ...DecisionResponse.properties,
    definition: PolicyInForce,
    held: Type.Optional(
      Type.Array(HeldResponse, {
        description: 'The first 100 reservations of the key by expiry; absent if it has none.',
      }),
    ),
  },
  { title: 'Bucket', description: 'The live state of a key: the decision that a check would get now, and its policy.' },
)

const READ_DOCS: RouteDocs = {
  summary: 'Get the live state of a key',
  description:
    'Returns the decision that a check for `tokens` (and under `policy`) would get now. Spends nothing, and is not counted as a check.',
  errors: ['policy-unknown', 'tokens-exceed-capacity', 'store-unavailable'],
  responses: { 200: BucketResponse },
}

const RESET_DOCS: RouteDocs = {
  summary: 'Reset the bucket of a key',
  description:
    'Makes the bucket full, and forgets what reservations hold of it. The reset takes effect in every process within a second.',
  errors: ['store-unavailable'],
  responses: { 204: Type.Null() },
}

/** `/buckets/{key}`: operators read the live state of a key, and fill its bucket. */
export const bucketRoutes: FastifyPluginAsyncTypebox<BucketRoutesOptions> = async (app, { buckets }) => {
  app.get(
    '/buckets/:key',
    { config: { access: 'admin', docs: READ_DOCS }, schema: { params: KeyParams, querystring: BucketQuery } },
    async (request, reply) => {
      const { key } = request.params
      acceptBucketKey('/params/key', key)
      acceptPolicyName('/query/policy', request.query.policy)
      const decision = await buckets.preview({ ...request.query, key })
      // Afterwards: the preview settles the holds that have expired.
      const holds = await buckets.holdsOf(key)
      const members = `${decisionMembers(decision)},"definition":${JSON.stringify(definitionBody(decision))}`
      return sendJson(
        reply,
        `{${members}${holds.length === 0 ? '' : `,"held":${JSON.stringify(holds.map(heldBody))}`}}`,
      )
    },
  )

  app.delete(
    '/buckets/:key',
    { config: { access: 'admin', docs: RESET_DOCS }, schema: { params: KeyParams } },
    async (request, reply) => {
      const { key } = request.params
      acceptBucketKey('/params/key', key)
      await buckets.reset(key)
      return reply.code(204).send()
    },
  )
}

function heldBody({ id, tokens, expiresAtMs }: Hold) {
  return { id, tokens, expiresAt: timeOf(expiresAtMs) }
}

/** The policy in force. */
function definitionBody({ policy }: Decision): Record<string, unknown> {
  const { configKey, version, definition } = policy
  return { policy: configKey, version, ...policyMembers(definition), description: undefined }
}
