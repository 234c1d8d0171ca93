import { type Static, Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import { policyMembers } from '../../domain/policy.ts'
import type { PolicyRecord } from '../../domain/policy-record.ts'
import { sendJson } from '../../http/send-json.ts'
import { nextCursor } from './pages.schema.ts'

const Limit = Type.Object({
  name: Type.String(),
  capacity: Type.Integer(),
  refillTokens: Type.Integer(),
  refillIntervalMs: Type.Integer(),
})

const policy = {
  limits: Type.Optional(Type.Array(Limit, { description: 'Absent if the policy has none.' })),
  mode: Type.String(),
  onStoreFailure: Type.Optional(Type.String()),
  description: Type.Optional(Type.String()),
}

export const PolicyOrNone = Type.Union([Type.Object(policy), Type.Null()])

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
    ...policy,
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
