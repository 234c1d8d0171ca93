import { type Static, Type } from '@sinclair/typebox'
import type { DecisionSource } from '../domain/decision.ts'

export const MAX_TOKENS = 1_000_000_000

export const CheckRequest = Type.Object(
  {
    key: Type.String({ description: 'What is asked about: 1 to 256 bytes of UTF-8.', examples: ['user:42'] }),
    tokens: Type.Integer({ minimum: 0, maximum: MAX_TOKENS, default: 1, description: '0 reads and spends nothing.' }),
  },
  { additionalProperties: false },
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

/** A decision as the caller gets it, without members that do not apply. */
export const DecisionResponse = Type.Object({
  allowed: Type.Boolean(),
  key: Type.String(),
  policy: Type.String({ description: 'The config key that matched, or `default`.' }),
  policyVersion: Count,
  limit: Count,
  remaining: CountOrUnknown,
  retryAfterMs: CountOrUnknown,
  resetAfterMs: CountOrUnknown,
  source: Type.Unsafe<DecisionSource>({ type: 'string', enum: ['redis', 'denied-cache', 'local', 'outage', 'policy'] }),
  degraded: Type.Optional(Type.Boolean()),
  shadowed: Type.Optional(Type.Boolean()),
  'violated-policies': Type.Optional(Type.Array(Type.String())),
  limits: Type.Optional(Type.Array(LimitValues)),
})
export type DecisionResponse = Static<typeof DecisionResponse>
