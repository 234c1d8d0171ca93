import type { FieldError } from './errors.ts'

/** An error of Ajv; its option `verbose` adds the data and the schema. @see https://ajv.js.org/api.html#error-objects */
interface ValidationError {
  readonly keyword: string
  readonly instancePath: string
  readonly params: Readonly<Record<string, unknown>>
  readonly message?: string | undefined
  readonly data?: unknown
  readonly parentSchema?: object | undefined
}

interface FieldSchema {
  readonly type?: string | readonly string[]
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly enum?: readonly unknown[]
  readonly properties?: Readonly<Record<string, unknown>>
}

/** Longer values and names are not repeated to the caller. */
const MAX_SHOWN_CHARACTERS = 100

/** What callers call the parts of a request that Fastify names otherwise. */
const POINTER_ROOTS: Readonly<Record<string, string>> = { body: '', querystring: '/query' }

/**
 * What a schema refused, in the caller's terms: a JSON pointer to the field, what is allowed there and what was given.
 * @param context the part of the request, as Fastify names it
 * @see https://www.rfc-editor.org/rfc/rfc6901 JSON Pointer
 */
export function fieldErrors(errors: readonly ValidationError[], context = 'body'): readonly FieldError[] {
  const root = POINTER_ROOTS[context] ?? `/${context}`
  const named = errors.map(error => fieldError(error, root))
  return [...new Map(named.map(error => [`${error.path} ${error.message}`, error])).values()]
}

function fieldError(error: ValidationError, root: string): FieldError {
  const field = `${root}${error.instancePath}`
  const { keyword, params } = error
  switch (keyword) {
    case 'additionalProperties':
      return unknownMember(error, field, String(params['additionalProperty']))
    case 'required':
      return { path: `${field}/${escaped(String(params['missingProperty']))}`, message: 'is missing' }
    case 'minItems':
    case 'maxItems':
      return { path: field, message: `${allowed(error)}; has ${(error.data as unknown[]).length}` }
    case 'maxParameters':
      return { path: field, message: `${allowed(error)}; has ${params['count']}` }
    default:
      return { path: field, message: `${allowed(error)}; was ${shown(error.data)}` }
  }
}

function escaped(member: string): string {
  return member.replaceAll('~', '~0').replaceAll('/', '~1')
}

function unknownMember({ parentSchema }: ValidationError, field: string, name: string): FieldError {
  const { properties = {} }: FieldSchema = parentSchema ?? {}
  const known = Object.keys(properties)
  const allowed = known.length === 0 ? 'none is allowed here' : `allowed: ${known.join(', ')}`
  if (name.length <= MAX_SHOWN_CHARACTERS)
    return { path: `${field}/${escaped(name)}`, message: `is unknown; ${allowed}` }
  return { path: field, message: `has an unknown member whose name has ${name.length} characters; ${allowed}` }
}

function allowed({ keyword, parentSchema, message = 'is not allowed' }: ValidationError): string {
  const schema: FieldSchema = parentSchema ?? {}
  if (schema.enum !== undefined) return `must be one of ${schema.enum.join(', ')}`
  if (keyword === 'minItems' || keyword === 'maxItems') {
    return `must have ${schema.minItems ?? 0} to ${schema.maxItems} items`
  }
  if (Array.isArray(schema.type)) return `must be ${schema.type.join(' or ')}`
  if (schema.type !== 'integer') return message
  const { minimum, maximum } = schema
  return `must be an integer ${maximum === undefined ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`}`
}

/** JSON does not keep every digit of a large integer, and another number than was given would mislead. */
function shownNumber(value: number): string {
  if (!Number.isInteger(value) || Number.isSafeInteger(value)) return String(value)
  return value > 0 ? `more than ${Number.MAX_SAFE_INTEGER}` : `less than ${Number.MIN_SAFE_INTEGER}`
}

/** What was given, as a problem repeats it to the caller: short, and without what is in it. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  if (typeof value === 'number') return shownNumber(value)
  if (typeof value !== 'string') return String(value)
  return value.length > MAX_SHOWN_CHARACTERS ? `a string of ${value.length} characters` : JSON.stringify(value)
}
