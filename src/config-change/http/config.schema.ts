import { type Static, Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import type { PolicyEvent } from '../../domain/events.ts'
import { configKeyFault } from '../../domain/key.ts'
import { type PolicyDefinition, policyMembers } from '../../domain/policy.ts'
import { sendJson } from '../../http/send-json.ts'
import { Problem } from '../../lib/errors.ts'
import type { PolicyRecord } from '../ports.ts'
import type { DryRun } from '../submit/dry-run.ts'

export const KeyParams = Type.Object({
  key: Type.String({ description: 'A config key, percent-encoded: `user:42`, `user:*`, `*`.', examples: ['user:*'] }),
})

/** @throws {Problem} `key-invalid`, `key-reserved` */
export function acceptKey(params: { key: string }): { key: string } {
  const fault = configKeyFault(params.key)
  if (fault === undefined) return params
  throw new Problem(fault.code, fault.detail, { members: { errors: [{ path: '/params/key', message: fault.detail }] } })
}

export const GetPolicyQuery = Type.Object(
  { version: Type.Optional(Type.Integer({ minimum: 1, description: 'As it was at this version.' })) },
  { additionalProperties: false },
)

const page = {
  limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100 }),
  cursor: Type.Optional(Type.String({ description: 'The `nextCursor` of the page before.' })),
}

export const PageQuery = Type.Object(page, { additionalProperties: false })

export const ListQuery = Type.Object(
  { prefix: Type.String({ default: '', description: 'Only config keys that begin so.' }), ...page },
  { additionalProperties: false },
)

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

const PolicyOrNone = Type.Union([Type.Object(policy), Type.Null()])

const EXAMPLE_POLICY = {
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

const EXAMPLE_EVENT = {
  version: 1,
  type: 'created',
  at: '2026-01-31T12:00:00.000Z',
  actor: 'alice',
  reason: 'sold as plan B',
  commandId: '2-4f09fe02-81cd-4b82-a4cb-7253acf57da9',
  policy: { limits: EXAMPLE_POLICY.limits, mode: 'enforce' },
}

export const HistoryResponse = Type.Object(
  {
    key: Type.String(),
    events: Type.Array(
      Type.Object({
        version: Type.Integer(),
        type: Type.String(),
        at: Type.String(),
        actor: Type.String(),
        reason: Type.Optional(Type.String()),
        commandId: Type.String(),
        policy: PolicyOrNone,
      }),
    ),
    nextCursor: Type.Optional(Type.String()),
  },
  { examples: [{ key: 'user:*', events: [EXAMPLE_EVENT] }] },
)

export const PolicyListResponse = Type.Object(
  {
    items: Type.Array(PolicyResponse),
    nextCursor: Type.Optional(Type.String()),
  },
  { examples: [{ items: [EXAMPLE_POLICY], nextCursor: 'dXNlcjoq' }] },
)

export const DryRunResponse = Type.Object({
  dryRun: Type.Literal(true),
  from: PolicyOrNone,
  to: PolicyOrNone,
  matches: Type.Integer({
    description: 'For a prefix, how many stored policies inside it still take precedence; 0 for an exact key.',
  }),
  warnings: Type.Array(Type.String(), { description: 'What is allowed, but probably not meant.' }),
})

export const AcceptedResponse = Type.Object(
  {
    commandId: Type.String(),
    status: Type.Literal('queued'),
    key: Type.String(),
  },
  { examples: [{ commandId: '2-4f09fe02-81cd-4b82-a4cb-7253acf57da9', status: 'queued', key: 'user:*' }] },
)

export function policyBody({
  key,
  version,
  policy,
  updatedAt,
  updatedBy,
}: PolicyRecord): Static<typeof PolicyResponse> {
  return { key, version, ...policyMembers(policy), updatedAt, updatedBy }
}

export function dryRunBody({ from, to, matches, warnings }: DryRun): Static<typeof DryRunResponse> {
  const bodyOf = (policy: PolicyDefinition | null) => policy && policyMembers(policy)
  return { dryRun: true, from: bodyOf(from), to: bodyOf(to), matches, warnings: [...warnings] }
}

/** Sends members in their order here. A serializer that knows the schema would put those that are optional last. */
export function sendBody(reply: FastifyReply, body: object): FastifyReply {
  return sendJson(reply, JSON.stringify(body))
}

export function sendPolicy(reply: FastifyReply, record: PolicyRecord): FastifyReply {
  return sendBody(reply.header('etag', `"${record.version}"`), policyBody(record))
}

export function eventBody({ version, type, at, actor, reason, commandId, policy }: PolicyEvent) {
  return {
    version,
    type,
    at,
    actor,
    ...(reason !== undefined && { reason }),
    commandId,
    policy: policy && policyMembers(policy),
  }
}
