import { readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { readJsonRequest } from '../../src/check/envoy/json-request.ts'
import { describeService } from '../../src/front/describe-service.ts'
import { ERRORS } from '../../src/lib/errors.ts'
import { describeContract } from '../support/openapi.ts'

const committed = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8'))

// biome-ignore lint/suspicious/noExplicitAny: the document is read as untyped JSON
type Json = any

const operations: readonly Json[] = Object.entries<Json>(committed.paths).flatMap(([path, methods]) =>
  Object.entries<Json>(methods).map(([method, operation]) => ({ path: `${method} ${path}`, ...operation })),
)

const schemasInUse = operations.flatMap(({ path, requestBody, responses }) =>
  [requestBody ?? {}, ...Object.values<Json>(responses)].flatMap(({ content = {} }) =>
    Object.entries<Json>(content).map(([mediaType, { schema }]) => ({ place: path, mediaType, schema })),
  ),
)

function isNamed({ $ref, anyOf }: Json): boolean {
  return $ref !== undefined || (anyOf?.every(isNamed) ?? false)
}

interface Described {
  readonly place: string
  readonly description: string | undefined
}

function describedIn(place: string, schema: Json): Described[] {
  if (schema.$ref !== undefined) return []
  return [{ place, description: schema.description }, ...membersIn(place, schema)]
}

function membersIn(place: string, { properties = {}, items, anyOf = [], allOf = [] }: Json): Described[] {
  const members = Object.entries<Json>(properties).flatMap(([name, schema]) => describedIn(`${place}.${name}`, schema))
  return [
    ...members,
    ...[...(items === undefined ? [] : [items]), ...anyOf, ...allOf].flatMap(schema => membersIn(place, schema)),
  ]
}

describe('docs/openapi.json', () => {
  it('matches the routes; if it does not, run npm run openapi', async () => {
    expect(committed).toEqual(await describeService())
  })

  it('is valid OpenAPI 3.1', async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(committed))
    expect(errors ?? []).toEqual([])
    expect([valid, committed.openapi]).toEqual([true, '3.1.0'])
  })

  it('has an example of every error code', () => {
    expect(Object.keys(committed.components.examples)).toEqual(Object.keys(ERRORS))
  })

  it('names every operation once, each with a summary', () => {
    const operations = describeContract(committed).operations
    expect(new Set(operations.map(({ id }) => id)).size).toBe(operations.length)
    const isShort = (summary = '') => summary !== '' && summary.split(' ').length <= 7
    expect(operations.filter(({ summary }) => !isShort(summary)).map(({ id }) => id)).toEqual([])
  })

  it('names the schema of every body in JSON, so that generated clients have named types', () => {
    const unnamed = schemasInUse.filter(({ mediaType }) => mediaType.endsWith('json') && !/ndjson/.test(mediaType))
    expect(unnamed.filter(({ schema }) => !isNamed(schema)).map(({ place }) => place)).toEqual([])
    const names = Object.keys(committed.components.schemas)
    expect(names).toEqual(expect.arrayContaining(['CheckRequest', 'Command', 'Decision', 'Limit', 'Policy', 'Problem']))
    const used = new Set(JSON.stringify(committed).match(/(?<="#\/components\/schemas\/)\w+/g))
    expect(names.filter(name => !used.has(name))).toEqual([])
  })

  it('describes every schema, every member and every parameter', () => {
    const named = Object.entries<Json>(committed.components.schemas)
    const parameters = operations.flatMap(({ path, parameters = [] }) =>
      parameters.map(({ name, description }: Json) => ({ place: `${path} ${name}`, description })),
    )
    const described = [
      ...named.flatMap(([name, schema]) => describedIn(name, schema)),
      ...schemasInUse.flatMap(({ place, schema }) => membersIn(place, schema)),
      ...parameters,
    ]
    expect(described.length).toBeGreaterThan(100)
    expect(described.filter(({ description }) => !description).map(({ place }) => place)).toEqual([])
  })

  it('describes an answer and the problems of one status', () => {
    const { content } = committed.paths['/json'].post.responses[429]
    expect(Object.keys(content)).toEqual(['application/json', 'application/problem+json'])
    expect(content['application/json'].schema).toEqual({ $ref: '#/components/schemas/RateLimitResponse' })
  })

  it('allows in requests of Envoy what the JSON of protobuf has, and what the service accepts', () => {
    const ajv = new Ajv2020({ strict: false })
    const isRequest = ajv.compile({ ...committed.components.schemas.RateLimitRequest })
    const descriptor = { entries: null, limit: null, hitsAddend: '9007199254740993', isNegativeHits: null }
    const limit = { requestsPerUnit: null, unit: 'HOUR' }
    const request = { domain: 'a', descriptors: [descriptor, { hitsAddend: null, limit }], hitsAddend: null }
    expect(readJsonRequest(request).descriptors).toHaveLength(2)
    expect(isRequest(request)).toBe(true)
    for (const refused of [
      { ...request, hitsAddend: 'many' },
      { ...request, descriptors: [{ hitsAddend: 2 ** 53 }] },
    ]) {
      expect(isRequest(refused)).toBe(false)
      expect(() => readJsonRequest(refused)).toThrow('must be an integer')
    }
    expect(isRequest({ ...request, domain: '' })).toBe(false)
  })

  it('links to the explanation of errors that the service itself serves', () => {
    expect(committed.externalDocs.url).toBe('/docs/errors.md')
  })
})
