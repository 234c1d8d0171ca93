import { type Static, Type } from '@sinclair/typebox'
import { DECISION_SOURCES, type DecisionSource } from '../../domain/decision.ts'
import { MAX_COUNT } from '../../domain/limits/limit-fault.ts'
import { ProblemResponse } from '../../http/problem.schema.ts'

export function Tokens(description: string) {
  return Type.Integer({ minimum: 0, maximum: MAX_COUNT, default: 1, description })
}

export const PolicyName = Type.Optional(
  Type.String({
    description:
      'The config key of a stored policy, such as `plan:gold`, or `default` for the built-in one. It takes precedence over ' +
      'prefix policies; an exact policy of the key still wins.',
  }),
)

export const CheckRequest = Type.Object(
  {
    key: Type.String({ description: 'The key to check: 1 to 256 bytes of UTF-8.', examples: ['user:42'] }),
    tokens: Tokens('Tokens to spend. With 0, the check reads the bucket and spends nothing.'),
    policy: PolicyName,
  },
  {
    title: 'CheckRequest',
    description: 'One check: may this key spend these tokens now?',
    additionalProperties: false,
    examples: [{ key: 'user:42', tokens: 1 }],
  },
)
export type CheckRequest = Static<typeof CheckRequest>

function count(description: string) {
  return Type.Integer({ minimum: 0, description })
}

function countOrNull(description: string) {
  return Type.Unsafe<number | null>({ type: ['integer', 'null'], minimum: 0, description })
}

const LimitState = Type.Object(
  {
    name: Type.String({ description: 'Name of the limit.' }),
    limit: count('Capacity of the limit, in tokens.'),
    remaining: count('Whole tokens that are left.'),
    retryAfterMs: countOrNull('Time until this limit allows the same check, in ms. 0 if it does now, `null` if never.'),
    resetAfterMs: count('Time until the limit is full, in ms.'),
    shadow: Type.Optional(Type.Literal(true, { description: 'It is a shadow limit, which denies nobody.' })),
  },
  { title: 'LimitState', description: 'The state of one limit after a check.' },
)

const EXAMPLE_DECISION = {
  allowed: true,
  key: 'user:42',
  policy: 'user:*',
  policyVersion: 3,
  limit: 100,
  remaining: 99,
  retryAfterMs: 0,
  resetAfterMs: 100,
  source: 'redis',
}

/** A decision in JSON, without members that do not apply. */
export const DecisionResponse = Type.Object(
  {
    allowed: Type.Boolean({ description: 'Whether the check is allowed. A denied check spends nothing.' }),
    key: Type.String({ description: 'The key that was checked.' }),
    policy: Type.String({
      description: 'The config key of the policy in force, or `default` for the built-in policy.',
    }),
    policyVersion: count('Version of the policy. 0 for the built-in policy.'),
    limit: countOrNull('Capacity of the most exhausted limit, in tokens. `null` if the policy has no limits.'),
    remaining: countOrNull('Whole tokens that are left after the check. `null` if unknown.'),
    retryAfterMs: countOrNull('Time until the same check is allowed, in ms. 0 if it is allowed now, `null` if never.'),
    resetAfterMs: countOrNull('Time until the limit is full, in ms. `null` if unknown.'),
    source: Type.Unsafe<DecisionSource>({
      type: 'string',
      enum: [...DECISION_SOURCES],
      description:
        'Who decided: the bucket store (`redis`), a remembered denial (`denied-cache`), the process from its share of the ' +
        'limit (`local`), `onStoreFailure: allow` (`outage`), or the mode of the policy (`policy`).',
    }),
    degraded: Type.Optional(Type.Boolean({ description: 'The bucket store was needed but unavailable.' })),
    shadowed: Type.Optional(
      Type.Boolean({ description: 'A policy in mode `shadow`, or a shadow limit, would have denied the check.' }),
    ),
    'violated-policies': Type.Optional(
      Type.Array(Type.String(), {
        description:
          'Names of the limits that denied, or would have in mode `shadow`; of an allowed check, of the shadow limits that would have.',
      }),
    ),
    limits: Type.Optional(
      Type.Array(LimitState, {
        description: 'The state of each limit, if the policy has several. In an outage, shadow limits are missing.',
      }),
    ),
  },
  { title: 'Decision', description: 'The answer to a check.', examples: [EXAMPLE_DECISION] },
)
export type DecisionResponse = Static<typeof DecisionResponse>

export const DenialResponse = Type.Intersect([ProblemResponse, DecisionResponse], {
  title: 'Denial',
  description: 'The problem of a denied check, with every member of its decision.',
})
