import { type Static, Type } from '@sinclair/typebox'
import { CheckRequest, DecisionResponse } from './check.schema.ts'

/** Bounds of a batch. 1,000 checks with the longest keys, every byte escaped, need less than half. */
export const BATCH_BODY = { maxBytes: 4 * 1024 * 1024, maxElements: 10_000 }

const size = { minItems: 1, maxItems: 1000 }

export const BatchRequest = Type.Object(
  { checks: Type.Array(CheckRequest, size) },
  { additionalProperties: false, examples: [{ checks: [{ key: 'user:42' }, { key: 'ip:203.0.113.7', tokens: 2 }] }] },
)
export type BatchRequest = Static<typeof BatchRequest>

/** A batch whose checks are not validated yet. */
export const BatchEnvelope = Type.Object({ checks: Type.Array(Type.Unknown(), size) }, { additionalProperties: false })

const Blocked = Type.Object({ ...DecisionResponse.properties, code: Type.Literal('blocked') })

const Undecided = Type.Object({
  key: Type.String(),
  allowed: Type.Literal(false),
  status: Type.Integer(),
  code: Type.String(),
  title: Type.String(),
  detail: Type.String(),
})

/** In the order of the checks: a decision, or why there is none. */
export const BatchResponse = Type.Object({ results: Type.Array(Type.Union([DecisionResponse, Blocked, Undecided])) })
