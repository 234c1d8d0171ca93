import { type Static, Type } from '@sinclair/typebox'
import type { PolicyRecord } from './ports.ts'

export const KeyParams = Type.Object({ key: Type.String() })

export const GetPolicyQuery = Type.Object(
  { version: Type.Optional(Type.Integer({ minimum: 1, description: 'As it was at this version.' })) },
  { additionalProperties: false },
)

export const ListQuery = Type.Object(
  {
    prefix: Type.String({ default: '', description: 'Only config keys that begin so.' }),
    limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100 }),
    cursor: Type.Optional(Type.String({ description: 'The `nextCursor` of the page before.' })),
  },
  { additionalProperties: false },
)

const Limit = Type.Object({
  name: Type.String(),
  capacity: Type.Integer(),
  refillTokens: Type.Integer(),
  refillIntervalMs: Type.Integer(),
})

export const PolicyResponse = Type.Object({
  key: Type.String(),
  version: Type.Integer(),
  limits: Type.Array(Limit),
  mode: Type.String(),
  onStoreFailure: Type.Optional(Type.String()),
  description: Type.Optional(Type.String()),
  updatedAt: Type.String(),
  updatedBy: Type.String(),
})

export const PolicyListResponse = Type.Object({
  items: Type.Array(PolicyResponse),
  nextCursor: Type.Optional(Type.String()),
})

export const AcceptedResponse = Type.Object({
  commandId: Type.String(),
  status: Type.Literal('queued'),
  key: Type.String(),
})

export function policyBody({
  key,
  version,
  policy,
  updatedAt,
  updatedBy,
}: PolicyRecord): Static<typeof PolicyResponse> {
  const { limits, ...rest } = policy
  return { key, version, limits: [...limits], ...rest, updatedAt, updatedBy }
}
