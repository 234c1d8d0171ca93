/** Named schemas of the OpenAPI document, so that generated clients have named types. */

type Schema = Readonly<Record<string, unknown>>
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
  const declared = mapValues(asObject(components['schemas']), schema => nameWithin(asObject(schema), named))
  const paths = nameInContent(document['paths'], named)
  const schemas = { ...declared, ...Object.fromEntries([...named].sort(byName)) }
  return { ...document, components: { ...components, schemas }, paths }
}

/** Names the schemas of every media type below a value. Examples are left alone: their members may have any name. */
function nameInContent(value: unknown, named: Components): unknown {
  if (Array.isArray(value)) return value.map(item => nameInContent(item, named))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => {
      if (name === 'schema') return [name, nameSchema(asObject(member), named)]
      return [name, name.startsWith('example') ? member : nameInContent(member, named)]
    }),
  )
}

function nameSchema(schema: Schema, named: Components): Schema {
  // Examples are where a schema is used, so that they are complete bodies.
  const { title, examples: _, ...untitled } = schema
  if (typeof title !== 'string') return nameWithin(schema, named)
  const resolved = nameWithin(untitled, named)
  const known = named.get(title)
  if (known !== undefined && JSON.stringify(known) !== JSON.stringify(resolved))
    throw new Error(`two schemas of the OpenAPI document have the title "${title}"`)
  named.set(title, resolved)
  return { $ref: `#/components/schemas/${title}` }
}

function nameWithin(schema: Schema, named: Components): Schema {
  const name = (value: unknown) => (isObject(value) ? nameSchema(value, named) : value)
  return Object.fromEntries(
    Object.entries(schema).map(([member, value]) => {
      if (SCHEMA_MEMBERS.includes(member)) return [member, name(value)]
      if (LIST_MEMBERS.includes(member)) return [member, (value as unknown[]).map(name)]
      if (MAP_MEMBERS.includes(member)) return [member, mapValues(asObject(value), name)]
      return [member, value]
    }),
  )
}

function byName([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1
}

function isObject(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null
}

function asObject(value: unknown): Schema {
  return isObject(value) ? value : {}
}

function mapValues<T>(values: Schema, map: (value: unknown) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, map(value)]))
}
