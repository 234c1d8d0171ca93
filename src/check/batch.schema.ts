import { type Static, Type } from '@sinclair/typebox'
import { CheckRequest } from './check.schema.ts'

export const MAX_BATCH_BYTES = 8 * 1024 * 1024

const size = { minItems: 1, maxItems: 1000 }

export const BatchRequest = Type.Object({ checks: Type.Array(CheckRequest, size) }, { additionalProperties: false })
export type BatchRequest = Static<typeof BatchRequest>

/** A batch before anybody has looked at its checks. */
export const BatchEnvelope = Type.Object({ checks: Type.Array(Type.Unknown(), size) }, { additionalProperties: false })
