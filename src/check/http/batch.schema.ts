import { type Static, Type } from '@sinclair/typebox'
import { CheckRequest } from './check.schema.ts'
import { ResultResponse } from './group.schema.ts'

/** Bounds of a batch. 1,000 checks with the longest keys, every byte escaped, need less than half. */
export const BATCH_BODY = { maxBytes: 4 * 1024 * 1024, maxElements: 10_000 }

const size = { minItems: 1, maxItems: 1000 }

export const BatchRequest = Type.Object(
  { checks: Type.Array(CheckRequest, { ...size, description: 'The checks; each is decided on its own.' }) },
  {
    title: 'BatchRequest',
    description: 'Up to 1,000 checks. Checks of the same key are decided one after another.',
    additionalProperties: false,
    examples: [{ checks: [{ key: 'user:42' }, { key: 'ip:203.0.113.7', tokens: 2 }] }],
  },
)
export type BatchRequest = Static<typeof BatchRequest>

/** A batch whose checks are not validated yet. */
export const BatchEnvelope = Type.Object({ checks: Type.Array(Type.Unknown(), size) }, { additionalProperties: false })

const UndecidedCheck = Type.Object(
  {
    key: Type.String({ description: 'The key that was to be checked.' }),
    allowed: Type.Literal(false, { description: 'The check spent nothing.' }),
    status: Type.Integer({ description: 'HTTP status code that the check alone would have got.' }),
    code: Type.String({
      description: 'Code of the error, such as `tokens-exceed-capacity`, `policy-unknown` or `store-unavailable`.',
    }),
    title: Type.String({ description: 'The kind of problem in a few words.' }),
    detail: Type.String({ description: 'What was given, and what is allowed.' }),
  },
  { title: 'UndecidedCheck', description: 'Why a check of a batch has no decision.' },
)

export const BatchResponse = Type.Object(
  {
    results: Type.Array(Type.Union([...ResultResponse, UndecidedCheck]), {
      description: 'In the order of the checks: a decision, or why there is none.',
    }),
  },
  { title: 'BatchResponse', description: 'The results of a batch.' },
)
