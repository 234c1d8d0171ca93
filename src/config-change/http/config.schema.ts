import { type Static, Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import { EVENT_TYPES, type EventType, type PolicyEvent } from '../../domain/events.ts'
import { configKeyFault } from '../../domain/key.ts'
import { type PolicyDefinition, policyMembers } from '../../domain/policy.ts'
import { POLICY_DEFINITION_MEMBERS } from '../../http/policy-definition.schema.ts'
import { sendJson } from '../../http/send-json.ts'
import { Problem } from '../../lib/errors.ts'
import type { PolicyRecord } from '../ports.ts'
import type { DryRun } from '../submit/dry-run.ts'

export const KeyParams = Type.Object({
  key: Type.String({
    description: 'A config key, percent-encoded: an exact key (`user:42`), a prefix (`user:*`) or `*`.',
    examples: ['user:*'],
  }),
})

/** @throws {Problem} `key-invalid`, `key-reserved` */
export function acceptKey(params: { key: string }): { key: string } {
  const fault = configKeyFault(params.key)
  if (fault === undefined) return params
  throw new Problem(fault.code, fault.detail, { members: { errors: [{ path: '/params/key', message: fault.detail }] } })
}

export const GetPolicyQuery = Type.Object(
  {
    version: Type.Optional(
      Type.Integer({ minimum: 1, description: 'Returns this version instead of the current one.' }),
    ),
  },
  { additionalProperties: false },
)

const page = {
  limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'Entries per page.' }),
  cursor: Type.Optional(Type.String({ description: 'The `nextCursor` of the previous page.' })),
}

export const PageQuery = Type.Object(page, { additionalProperties: false })

export const ListQuery = Type.Object(
  { prefix: Type.String({ default: '', description: 'Returns only config keys with this prefix.' }), ...page },
  { additionalProperties: false },
)

const nextCursor = Type.Optional(
  Type.String({ description: 'The `cursor` of the next page. Absent on the last page.' }),
)

const definition = {
  ...POLICY_DEFINITION_MEMBERS,
  description: Type.Optional(Type.String({ description: 'What the policy is for.' })),
}

const PolicyDefinitionResponse = Type.Object(definition, {
  title: 'PolicyDefinition',
  description: 'The part of a policy that an operator writes.',
})

function definitionOrNull(description: string) {
  return Type.Union([PolicyDefinitionResponse, Type.Null()], { description })
}

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
    key: Type.String({ description: 'The config key.' }),
    version: Type.Integer({ description: 'Number of the change among those of the config key, from 1.' }),
    ...definition,
    updatedAt: Type.String({ description: 'Time of the change (RFC 3339, UTC).' }),
    updatedBy: Type.String({ description: 'Who made the change: the name of the token.' }),
  },
  { title: 'Policy', description: 'A policy as it is stored under a config key.', examples: [EXAMPLE_POLICY] },
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

const EventResponse = Type.Object(
  {
    version: Type.Integer({ description: 'The version of the policy that the change made.' }),
    type: Type.Unsafe<EventType>({ type: 'string', enum: [...EVENT_TYPES], description: 'The kind of change.' }),
    at: Type.String({ description: 'Time of the change (RFC 3339, UTC).' }),
    actor: Type.String({ description: 'Who made the change: the name of the token.' }),
    reason: Type.Optional(Type.String({ description: 'The `X-Change-Reason` of the request.' })),
    commandId: Type.String({ description: 'Id of the command that made the change.' }),
    policy: definitionOrNull('The new policy. `null` if it was deleted.'),
  },
  { title: 'PolicyEvent', description: 'The record of a change. It is never edited.' },
)

export const HistoryResponse = Type.Object(
  {
    key: Type.String({ description: 'The config key.' }),
    events: Type.Array(EventResponse, { description: 'The changes of the policy, oldest first.' }),
    nextCursor,
  },
  {
    title: 'PolicyHistory',
    description: 'One page of the history of a policy.',
    examples: [{ key: 'user:*', events: [EXAMPLE_EVENT] }],
  },
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

export const DryRunResponse = Type.Object(
  {
    dryRun: Type.Literal(true, { description: 'Nothing was changed.' }),
    from: definitionOrNull('The current policy. `null` if the key has none.'),
    to: definitionOrNull('The policy that the change would store.'),
    matches: Type.Integer({
      description: 'For a prefix, how many stored policies inside it would still take precedence. 0 for an exact key.',
    }),
    warnings: Type.Array(Type.String(), { description: 'What is allowed, but probably a mistake.' }),
  },
  { title: 'DryRun', description: 'What a change would do.' },
)

export const AcceptedResponse = Type.Object(
  {
    commandId: Type.String({ description: 'Id of the command, for `GET /commands/{id}`.' }),
    status: Type.Literal('queued', { description: 'The change waits to be applied.' }),
    key: Type.String({ description: 'The config key.' }),
  },
  {
    title: 'AcceptedChange',
    description: 'A change that was accepted, and is applied later.',
    examples: [{ commandId: '2-4f09fe02-81cd-4b82-a4cb-7253acf57da9', status: 'queued', key: 'user:*' }],
  },
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
