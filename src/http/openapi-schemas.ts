/** Named schemas of the OpenAPI document, so that generated clients have named types. */
import { isObject, type Members } from '../lib/is-object.ts'
import { mapValues } from '../lib/map-values.ts'

type Schema = Members
type Components = Map<string, Schema>

/** Members of a schema that hold a schema, a list of schemas, or schemas by name. */
const SCHEMA_MEMBERS = ['items', 'not', 'additionalProperties']
const LIST_MEMBERS = ['anyOf', 'allOf', 'oneOf']
const MAP_MEMBERS = ['properties']

/**
 * Moves each schema that has a `title` to `components.schemas` under that title, and refers to it by `$ref`.
 * @throws {Error} if different schemas have the same title
 */
export function nameSchemas(document: Schema): Schema {
  const components = asObject(document['components'])
  const named: Components = new Map()
  const declared = mapValues(asObject(components['schemas']), schema => extractWithin(asObject(schema), named))
  const paths = extractFromContent(document['paths'], named)
  const schemas = { ...declared, ...Object.fromEntries([...named].sort(byName)) }
  return { ...document, components: { ...components, schemas }, paths }
}

/** Names the schemas of every media type below a value. Examples are left alone: their members may have any name. */
function extractFromContent(value: unknown, named: Components): unknown {
  if (Array.isArray(value)) return value.map(item => extractFromContent(item, named))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => {
      if (name === 'schema') return [name, extractSchema(asObject(member), named)]
      return [name, name.startsWith('example') ? member : extractFromContent(member, named)]
    }),
  )
}

function extractSchema(schema: Schema, named: Components): Schema {
  // Examples are dropped here: they are given where the schema is used, as complete bodies.
  const { title, examples: _, ...untitled } = schema
  if (typeof title !== 'string') return extractWithin(schema, named)
  const resolved = extractWithin(untitled, named)
  const known = named.get(title)
  if (known !== undefined && JSON.stringify(known) !== JSON.stringify(resolved))
    throw new Error(`two schemas of the OpenAPI document have the title "${title}"`)
  named.set(title, resolved)
  return { $ref: `#/components/schemas/${title}` }
}

function extractWithin(schema: Schema, named: Components): Schema {
  const extract = (value: unknown) => (isObject(value) ? extractSchema(value, named) : value)
  return Object.fromEntries(
    Object.entries(schema).map(([member, value]) => {
      if (SCHEMA_MEMBERS.includes(member)) return [member, extract(value)]
      if (LIST_MEMBERS.includes(member)) return [member, (value as unknown[]).map(extract)]
      if (MAP_MEMBERS.includes(member)) return [member, mapValues(asObject(value), extract)]
      return [member, value]
    }),
  )
}

function byName([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1
}

function asObject(value: unknown): Schema {
  return isObject(value) ? value : {}
}
