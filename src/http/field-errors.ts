import type { FastifySchemaValidationError } from 'fastify'
import type { FieldError } from '../errors.ts'

/** What Ajv tells of an error because it was asked to be verbose. */
interface VerboseError extends FastifySchemaValidationError {
  readonly data?: unknown
  readonly parentSchema?: FieldSchema
}

interface FieldSchema {
  readonly type?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly enum?: readonly unknown[]
  readonly properties?: Readonly<Record<string, unknown>>
}

/** Longer values are not repeated to the caller. */
const MAX_SHOWN_CHARACTERS = 100

/** What callers call the parts of a request that Fastify names otherwise. */
const POINTER_ROOTS: Readonly<Record<string, string>> = { body: '', querystring: '/query' }

/**
 * What a schema refused, in the caller's terms: a JSON pointer to the field, what is allowed there and what was given.
 * @param context the part of the request, as Fastify names it
 * @see https://www.rfc-editor.org/rfc/rfc6901 JSON Pointer
 */
export function fieldErrors(errors: readonly FastifySchemaValidationError[], context = 'body'): readonly FieldError[] {
  const root = POINTER_ROOTS[context] ?? `/${context}`
  const byText = new Map(errors.map(error => fieldError(error, root)).map(error => [JSON.stringify(error), error]))
  return [...byText.values()]
}

function fieldError(error: VerboseError, root: string): FieldError {
  const field = `${root}${error.instancePath}`
  const { keyword, params } = error
  switch (keyword) {
    case 'additionalProperties':
      return { path: `${field}/${escaped(params['additionalProperty'])}`, message: unknownMember(error) }
    case 'required':
      return { path: `${field}/${escaped(params['missingProperty'])}`, message: 'is missing' }
    case 'minItems':
    case 'maxItems':
      return { path: field, message: `${allowed(error)}; has ${(error.data as unknown[]).length}` }
    case 'maxProperties':
      return { path: field, message: `${allowed(error)}; has ${Object.keys(error.data as object).length}` }
    default:
      return { path: field, message: `${allowed(error)}; was ${shown(error.data)}` }
  }
}

function escaped(member: unknown): string {
  return String(member).replaceAll('~', '~0').replaceAll('/', '~1')
}

function unknownMember({ parentSchema }: VerboseError): string {
  const known = Object.keys(parentSchema?.properties ?? {})
  return known.length === 0 ? 'is unknown; none is allowed here' : `is unknown; allowed: ${known.join(', ')}`
}

function allowed({ keyword, parentSchema, message = 'is not allowed' }: VerboseError): string {
  if (parentSchema?.enum !== undefined) return `must be one of ${parentSchema.enum.join(', ')}`
  if (keyword === 'minItems' || keyword === 'maxItems') {
    return `must have ${parentSchema?.minItems ?? 0} to ${parentSchema?.maxItems} items`
  }
  if (parentSchema?.type !== 'integer') return message
  const { minimum, maximum } = parentSchema
  return `must be an integer ${maximum === undefined ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`}`
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  if (typeof value !== 'string') return String(value)
  return value.length > MAX_SHOWN_CHARACTERS ? `a string of ${value.length} characters` : JSON.stringify(value)
}
