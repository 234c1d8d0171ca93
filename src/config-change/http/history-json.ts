import { Type } from '@sinclair/typebox'
import type { PolicyEvent } from '../../domain/events.ts'
import { policyMembers } from '../../domain/policy.ts'
import { nextCursor } from './pages.schema.ts'
import { EXAMPLE_POLICY, PolicyOrNone } from './policy-json.ts'

const EXAMPLE_EVENT = {
  version: 1,
  type: 'created',
  at: '2026-01-31T12:00:00.000Z',
  actor: 'alice',
  reason: 'sold as plan B',
  commandId: '2-4f09fe02-81cd-4b82-a4cb-7253acf57da9',
  policy: { limits: EXAMPLE_POLICY.limits, mode: 'enforce' },
}

const Event = Type.Object({
  version: Type.Integer(),
  type: Type.String(),
  at: Type.String(),
  actor: Type.String(),
  reason: Type.Optional(Type.String()),
  commandId: Type.String(),
  policy: PolicyOrNone,
})

export const HistoryResponse = Type.Object(
  { key: Type.String(), events: Type.Array(Event), nextCursor },
  { examples: [{ key: 'user:*', events: [EXAMPLE_EVENT] }] },
)

export function eventBody({ version, type, at, actor, reason, commandId, policy }: PolicyEvent) {
  const why = { ...(reason !== undefined && { reason }) }
  return { version, type, at, actor, ...why, commandId, policy: policy && policyMembers(policy) }
}
