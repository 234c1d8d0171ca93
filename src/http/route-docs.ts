import type { TSchema } from '@sinclair/typebox'
import type { ErrorCode } from '../lib/errors.ts'
import type { FieldName } from './openapi-fields.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    docs?: RouteDocs
  }
}

/** What the document says of a route beside its schemas. */
export interface RouteDocs {
  readonly summary: string
  /** The body, where no schema reads it. */
  readonly body?: MediaType
  /** Codes of its own, beside those that its access, body and path bring with them. */
  readonly errors?: readonly ErrorCode[]
  /** What it answers where no schema writes it; a text is what is no JSON. */
  readonly responses?: Readonly<Record<number, TSchema | MediaType>>
  /** Fields of answers, by status. */
  readonly fields?: Readonly<Record<number, readonly FieldName[]>>
}

/** A text that is no JSON. */
export interface MediaType {
  readonly mediaType: string
  readonly example?: string
}
