import { type Static, Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import type { PolicyRecord } from '../../domain/policy-record.ts'
import { storedPolicyMembers } from '../../domain/temporary-policy.ts'
import { POLICY_DEFINITION_MEMBERS } from '../../http/policy-definition.schema.ts'
import { sendJson } from '../../http/send-json.ts'
import { nextCursor } from './pages.schema.ts'

const lastingDefinition = {
  ...POLICY_DEFINITION_MEMBERS,
  description: Type.Optional(Type.String({ description: 'What the policy is for.' })),
}

const definition = {
  ...lastingDefinition,
  expiresAt: Type.Optional(Type.String({ description: 'When a temporary policy ends (RFC 3339, UTC).' })),
  then: Type.Optional(
    Type.Union(
      [
        Type.Object(lastingDefinition, {
          title: 'FollowingPolicy',
          description: 'A policy that follows a temporary one.',
        }),
        Type.Null(),
      ],
      { description: 'The policy after `expiresAt`. `null` for none.' },
    ),
  ),
}

const PolicyDefinitionResponse = Type.Object(definition, {
  title: 'PolicyDefinition',
  description: 'The part of a policy that an operator writes.',
})

export function definitionOrNull(description: string) {
  return Type.Union([PolicyDefinitionResponse, Type.Null()], { description })
}

export const EXAMPLE_POLICY = {
  key: 'user:*',
  version: 3,
  limits: [{ name: 'default', capacity: 100, refillTokens: 10, refillIntervalMs: 1000 }],
  mode: 'enforce',
  updatedAt: '2026-01-31T12:00:00.000Z',
  updatedBy: 'alice',
}

export const PolicyResponse = Type.Object(
  {
    key: Type.String({ description: 'The config key.' }),
    version: Type.Integer({ description: 'Number of the change among those of the config key, from 1.' }),
    ...definition,
    updatedAt: Type.String({ description: 'Time of the change (RFC 3339, UTC).' }),
    updatedBy: Type.String({ description: 'Who made the change: the name of the token.' }),
  },
  { title: 'Policy', description: 'A policy as it is stored under a config key.', examples: [EXAMPLE_POLICY] },
)

export const PolicyListResponse = Type.Object(
  {
    items: Type.Array(PolicyResponse, { description: 'The policies, in byte order of their config keys.' }),
    nextCursor,
  },
  {
    title: 'PolicyList',
    description: 'One page of the policies.',
    examples: [{ items: [EXAMPLE_POLICY], nextCursor: 'dXNlcjoq' }],
  },
)

export function policyBody(record: PolicyRecord): Static<typeof PolicyResponse> {
  const { key, version, policy, updatedAt, updatedBy } = record
  return { key, version, ...storedPolicyMembers(policy), updatedAt, updatedBy }
}

export function sendPolicy(reply: FastifyReply, record: PolicyRecord): FastifyReply {
  return sendBody(reply.header('etag', entityTag(record)), policyBody(record))
}

export function entityTag({ version, isEnded }: Pick<PolicyRecord, 'version' | 'isEnded'>): string {
  return isEnded ? `"${version}-ended"` : `"${version}"`
}

/** Sends the members in this order. A serializer that knows the schema would put the optional ones last. */
export function sendBody(reply: FastifyReply, body: object): FastifyReply {
  return sendJson(reply, JSON.stringify(body))
}
