import { Type } from '@sinclair/typebox'
import { CheckRequest } from './check.schema.ts'

export const MAX_BATCH_BYTES = 8 * 1024 * 1024

export const BatchRequest = Type.Object(
  { checks: Type.Array(CheckRequest, { minItems: 1, maxItems: 1000 }) },
  { additionalProperties: false },
)
