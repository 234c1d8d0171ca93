import { type Static, Type } from '@sinclair/typebox'
import type { DecisionSource } from '../../domain/decision.ts'
import { MODES, type Mode, type OnStoreFailure, STORE_FAILURE_MODES } from '../../domain/policy.ts'

export const MAX_TOKENS = 1_000_000_000

export function Tokens(description: string) {
  return Type.Integer({ minimum: 0, maximum: MAX_TOKENS, default: 1, description })
}

export const CheckRequest = Type.Object(
  {
    key: Type.String({ description: 'The key to check: 1 to 256 bytes of UTF-8.', examples: ['user:42'] }),
    tokens: Tokens('Tokens to spend; 0 only reads.'),
  },
  { additionalProperties: false, examples: [{ key: 'user:42', tokens: 1 }] },
)
export type CheckRequest = Static<typeof CheckRequest>

const Count = Type.Integer({ minimum: 0 })
const CountOrUnknown = Type.Unsafe<number | null>({ type: ['integer', 'null'], minimum: 0 })

const LimitValues = Type.Object({
  name: Type.String(),
  limit: Count,
  remaining: Count,
  retryAfterMs: CountOrUnknown,
  resetAfterMs: Count,
})

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
    allowed: Type.Boolean(),
    key: Type.String(),
    policy: Type.String({ description: 'The config key that matched, or `default`.' }),
    policyVersion: Count,
    limit: CountOrUnknown,
    remaining: CountOrUnknown,
    retryAfterMs: CountOrUnknown,
    resetAfterMs: CountOrUnknown,
    source: Type.Unsafe<DecisionSource>({
      type: 'string',
      enum: ['redis', 'denied-cache', 'local', 'outage', 'policy'],
    }),
    degraded: Type.Optional(Type.Boolean()),
    shadowed: Type.Optional(Type.Boolean()),
    'violated-policies': Type.Optional(Type.Array(Type.String())),
    limits: Type.Optional(Type.Array(LimitValues)),
  },
  { examples: [EXAMPLE_DECISION] },
)
export type DecisionResponse = Static<typeof DecisionResponse>

/** The policy in force, as shown with a bucket. */
export const PolicyMembers = {
  limits: Type.Optional(
    Type.Array(
      Type.Object({
        name: Type.String(),
        capacity: Type.Integer(),
        refillTokens: Type.Integer(),
        refillIntervalMs: Type.Integer(),
      }),
    ),
  ),
  mode: Type.Unsafe<Mode>({ type: 'string', enum: [...MODES] }),
  onStoreFailure: Type.Optional(Type.Unsafe<OnStoreFailure>({ type: 'string', enum: [...STORE_FAILURE_MODES] })),
}
