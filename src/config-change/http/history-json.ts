import { Type } from '@sinclair/typebox'
import { EVENT_TYPES, type EventType, type PolicyEvent } from '../../domain/events.ts'
import { storedPolicyMembers } from '../../domain/temporary-policy.ts'
import { nextCursor } from './pages.schema.ts'
import { definitionOrNull, EXAMPLE_POLICY } from './policy-json.ts'

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

export function eventBody({ version, type, at, actor, reason, commandId, policy }: PolicyEvent) {
  const why = { ...(reason !== undefined && { reason }) }
  return { version, type, at, actor, ...why, commandId, policy: policy && storedPolicyMembers(policy) }
}
