import { type Static, Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import { policyMembers } from '../../domain/policy.ts'
import type { PolicyRecord } from '../../domain/policy-record.ts'
import { sendJson } from '../../http/send-json.ts'
import { policyMembersSchema } from '../policy.schema.ts'
import { nextCursor } from './pages.schema.ts'

export const PolicyOrNone = Type.Union([Type.Object(policyMembersSchema), Type.Null()])

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
    key: Type.String(),
    version: Type.Integer(),
    ...policyMembersSchema,
    updatedAt: Type.String(),
    updatedBy: Type.String(),
  },
  { examples: [EXAMPLE_POLICY] },
)

export const PolicyListResponse = Type.Object(
  { items: Type.Array(PolicyResponse), nextCursor },
  { examples: [{ items: [EXAMPLE_POLICY], nextCursor: 'dXNlcjoq' }] },
)

export function policyBody(record: PolicyRecord): Static<typeof PolicyResponse> {
  const { key, version, policy, updatedAt, updatedBy } = record
  return { key, version, ...policyMembers(policy), updatedAt, updatedBy }
}

export function sendPolicy(reply: FastifyReply, record: PolicyRecord): FastifyReply {
  return sendBody(reply.header('etag', `"${record.version}"`), policyBody(record))
}

/** Sends the members in this order. A serializer that knows the schema would put the optional ones last. */
export function sendBody(reply: FastifyReply, body: object): FastifyReply {
  return sendJson(reply, JSON.stringify(body))
}
