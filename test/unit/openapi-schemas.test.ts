import { describe, expect, it } from '@jest/globals'
import { nameSchemas } from '../../src/http/openapi-schemas.ts'

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` })
const LIMIT = { title: 'Limit', type: 'object', properties: { capacity: { type: 'integer' } } }
const POLICY = { title: 'Policy', type: 'object', properties: { limits: { type: 'array', items: LIMIT } } }

function documentOf(...schemas: object[]) {
  const media = schemas.map((schema, index) => [`application/${index}`, { schema }])
  return { components: {}, paths: { '/': { get: { responses: { 200: { content: Object.fromEntries(media) } } } } } }
}

function named(...schemas: object[]) {
  const { components, paths } = nameSchemas(documentOf(...schemas)) as ReturnType<typeof documentOf>
  const used = Object.values<{ schema: object }>(paths['/'].get.responses[200].content).map(({ schema }) => schema)
  return { used, components }
}

describe('the schemas of the OpenAPI document', () => {
  it('are named by their titles, wherever they are nested', () => {
    const { used, components } = named({ anyOf: [POLICY, { type: 'null' }] }, LIMIT)
    expect(used).toEqual([{ anyOf: [ref('Policy'), { type: 'null' }] }, ref('Limit')])
    expect(components).toEqual({
      schemas: {
        Limit: { type: 'object', properties: { capacity: { type: 'integer' } } },
        Policy: { type: 'object', properties: { limits: { type: 'array', items: ref('Limit') } } },
      },
    })
  })

  it('may have a member that is called title', () => {
    const problem = { type: 'object', properties: { title: { type: 'string' } } }
    expect(named(problem).used).toEqual([problem])
  })

  it('leave examples as they are', () => {
    const schema = { type: 'object', examples: [{ title: 'Limit', schema: LIMIT }] }
    expect(named(schema).used).toEqual([schema])
  })

  it('cannot share a title', () => {
    expect(() => named(LIMIT, { ...LIMIT, properties: {} })).toThrow('have the title "Limit"')
  })
})
