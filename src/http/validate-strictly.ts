import type { FastifyInstance, FastifySchemaCompiler, RouteOptions } from 'fastify'
import { validatorOf } from '../lib/validator.ts'
import { refuseMalformedQuery } from './percent-encoding.ts'
import { countParameters, MAX_PARAMETERS } from './query.ts'

interface TextSchema {
  readonly properties?: Readonly<Record<string, ParameterSchema>>
}

interface ParameterSchema {
  readonly type?: string
  readonly items?: ParameterSchema
}

/**
 * Validates requests without coercion. Path and query parameters are text: integers and booleans are read as JSON writes them,
 * so `0x10` and ` 5` are refused. A parameter whose schema is a list can be given once or several times. Unknown members are refused, not removed; a route without a query schema takes no query.
 */
export function validateStrictly(app: FastifyInstance): void {
  const compile: FastifySchemaCompiler<TextSchema> = ({ schema, httpPart }) => {
    const validate = validatorOf<Record<string, unknown>>(schema)
    if (httpPart === 'body') return validate
    const typed = Object.entries(schema.properties ?? {}).filter(([, { type }]) => isTyped(type))
    return given => {
      const count = countParameters(given)
      if (count > MAX_PARAMETERS) return { error: [tooManyParameters(count)] }
      const value = typed.length === 0 ? given : readText(given, typed)
      return validate(value) ? { value } : { error: validate.errors ?? [] }
    }
  }
  app.setValidatorCompiler(compile)

  app.addHook('onRoute', route => {
    route.schema = { querystring: { type: 'object', additionalProperties: false }, ...route.schema }
    if (readsQuery(route)) route.preValidation = [refuseMalformedQuery, ...[route.preValidation ?? []].flat()]
  })
}

/** Whether the route has query parameters, and does not check them itself as checks do. */
function readsQuery({ schema, config }: RouteOptions): boolean {
  const { properties = {} } = (schema?.querystring ?? {}) as TextSchema
  return config?.access !== 'check' && Object.keys(properties).length > 0
}

function tooManyParameters(count: number) {
  const message = `must have at most ${MAX_PARAMETERS} parameters`
  return { keyword: 'maxParameters', instancePath: '', schemaPath: '', params: { count }, message }
}

const READERS: Readonly<Record<string, RegExp>> = { integer: /^(0|-?[1-9][0-9]*)$/, boolean: /^(true|false)$/ }

/** Whether its text is read as something else. */
function isTyped(type = ''): boolean {
  return type === 'array' || READERS[type] !== undefined
}

function readText(
  given: Readonly<Record<string, unknown>>,
  typed: readonly (readonly [name: string, schema: ParameterSchema])[],
): Record<string, unknown> {
  const value = { ...given }
  for (const [name, schema] of typed) {
    if (value[name] === undefined) continue
    value[name] = schema.type === 'array' ? readList(value[name], schema.items) : readItem(value[name], schema)
  }
  return value
}

function readList(given: unknown, items: ParameterSchema = {}): unknown[] {
  return [given].flat().map(item => readItem(item, items))
}

function readItem(given: unknown, { type = '' }: ParameterSchema): unknown {
  return typeof given === 'string' && READERS[type]?.test(given) ? JSON.parse(given) : given
}
