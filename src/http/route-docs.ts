import type { TSchema } from '@sinclair/typebox'
import type { ErrorCode } from '../lib/errors.ts'
import type { FieldName } from './openapi-fields.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    docs?: RouteDocs
  }
}

/** The description of a route for the OpenAPI document, in addition to its schemas. */
export interface RouteDocs {
  /** A few words: a verb and its object. */
  readonly summary: string
  /** What the summary leaves open. */
  readonly description?: string
  /** The body, if no schema validates it. */
  readonly body?: MediaType
  /** Error codes in addition to those of the route's access, body and path. */
  readonly errors?: readonly ErrorCode[]
  /** Responses that no schema serializes; a string describes a body that is not JSON. */
  readonly responses?: Readonly<Record<number, TSchema | MediaType>>
  /** The body of a denied check. Other problems of the same status are plain. */
  readonly denial?: TSchema
  /** Statuses that a denied check can have; 429 if omitted. */
  readonly denialStatuses?: readonly number[]
  /** Response fields, by status. */
  readonly fields?: Readonly<Record<number, readonly FieldName[]>>
}

/** A body that is text, not JSON. */
export interface MediaType {
  readonly mediaType: string
  readonly description: string
  readonly example?: string
}
