import { Type } from '@sinclair/typebox'
import { MODES, type Mode, type OnStoreFailure, STORE_FAILURE_MODES } from '../domain/policy.ts'

const MODE = Type.Unsafe<Mode>({
  type: 'string',
  enum: [...MODES],
  description:
    '`enforce` denies what the limits deny. `shadow` allows everything, and reports what it would have denied. ' +
    '`off` allows everything and counts nothing. `block` denies everything.',
})

const ON_STORE_FAILURE = Type.Unsafe<OnStoreFailure>({
  type: 'string',
  enum: [...STORE_FAILURE_MODES],
  description:
    'What a check gets while the bucket store is unavailable: a decision of the process (`local`), 200 (`allow`) or ' +
    '503 (`deny`). If absent, the setting `ON_STORE_FAILURE` applies.',
})

const LimitResponse = Type.Object(
  {
    name: Type.String({ description: 'Name of the limit, unique in its policy.' }),
    capacity: Type.Integer({ description: 'Tokens that fit into the bucket.' }),
    refillTokens: Type.Integer({
      description: 'Tokens that return to the bucket in each interval, continuously and not all at once.',
    }),
    refillIntervalMs: Type.Integer({ description: 'Length of the interval, in ms.' }),
  },
  { title: 'Limit', description: 'A token bucket.' },
)

/** How a policy decides, as responses show it. */
export const POLICY_DEFINITION_MEMBERS = {
  limits: Type.Optional(
    Type.Array(LimitResponse, { description: 'Every limit must allow a check. Absent if the policy has no limits.' }),
  ),
  mode: MODE,
  onStoreFailure: Type.Optional(ON_STORE_FAILURE),
}
