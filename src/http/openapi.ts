/** The OpenAPI document, generated from the descriptions of the routes. */
import { STATUS_CODES } from 'node:http'
import swagger from '@fastify/swagger'
import { type FastifyInstance, type FastifySchema, fastify, type RouteOptions } from 'fastify'
import { mapValues } from '../lib/map-values.ts'
import { version } from '../lib/version.ts'
import type { Access } from './auth.ts'
import { CHANGE_FIELDS, type FieldName, IMPORT_FIELDS, RESERVATION_FIELDS, RESPONSE_FIELDS } from './openapi-fields.ts'
import {
  type DescribedResponse,
  type DescribedResponses,
  problemExamples,
  problemResponses,
} from './openapi-problems.ts'
import { nameSchemas } from './openapi-schemas.ts'
import type { MediaType, RouteDocs } from './route-docs.ts'

const DESCRIPTION =
  'A distributed rate limiter. `POST /check` asks whether a key may do something now; operators change its limits under `/config`. ' +
  'Every error is a problem document (RFC 9457) with a `code`.'

/** Served by the service itself. */
const ERRORS_DOCUMENT = { url: '/docs/errors.md', description: 'The error codes: causes and what to do' }

const TAGS: Readonly<Record<string, string>> = {
  checks: 'May this key do this now?',
  reservations: 'Tokens held for work in progress, whose cost is known afterwards.',
  buckets: 'The live state of keys.',
  policies: 'The limits, and how they change.',
  insight: 'Who is limited, and how much is decided.',
  service: 'Health and metrics.',
}

const SECURITY: Readonly<Record<Access | 'open', readonly Record<string, string[]>[]>> = {
  admin: [{ adminToken: [] }],
  check: [{ checkToken: [] }, { adminToken: [] }, {}],
  open: [],
}

const SECURITY_SCHEMES = {
  adminToken: {
    type: 'http',
    scheme: 'bearer',
    description: 'A token of `ADMIN_TOKENS`. If none is set, only requests to a loopback name are answered.',
  },
  checkToken: {
    type: 'http',
    scheme: 'bearer',
    description: 'A token of `CHECK_TOKENS`. If none is set, no token is needed.',
  },
} as const

/** @param addRoutes registers the routes to describe */
export async function describeApi(addRoutes: (app: FastifyInstance) => void): Promise<Record<string, unknown>> {
  const app = fastify({ exposeHeadRoutes: false })
  /** The ids of operations. */
  const withOptionalBody = new Set<string>()
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => JSON.stringify)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Throttler', version, description: DESCRIPTION, license: { name: 'MIT', identifier: 'MIT' } },
      servers: [{ url: '/' }],
      externalDocs: ERRORS_DOCUMENT,
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
      components: {
        securitySchemes: SECURITY_SCHEMES,
        examples: problemExamples(),
      },
    },
    transform: ({ schema = {}, url, route }) => {
      const described = describeRoute(schema, url, route)
      if (route.config?.bodyIsOptional) withOptionalBody.add(described.operationId as string)
      return { schema: described, url }
    },
  })
  addRoutes(app)
  await app.ready()
  const described = JSON.parse(JSON.stringify(app.swagger()))
  await app.close()
  for (const { operationId, requestBody } of operationsOf(described)) {
    if (requestBody !== undefined && withOptionalBody.has(operationId)) requestBody.required = false
  }
  return nameSchemas(described)
}

interface Operation {
  readonly operationId: string
  readonly requestBody?: { required: boolean }
}

function operationsOf({ paths }: { readonly paths: Readonly<Record<string, object>> }): Operation[] {
  return Object.values(paths).flatMap(methods => Object.values(methods) as Operation[])
}

function describeRoute(schema: FastifySchema, url: string, route: RouteOptions): FastifySchema {
  const { access, docs } = route.config ?? {}
  const method = String(route.method)
  return {
    ...schema,
    ...(schema.body !== undefined && { body: defaultsOptional(schema.body as ObjectSchema) }),
    ...(schema.querystring !== undefined && { querystring: defaultsOptional(schema.querystring as ObjectSchema) }),
    operationId: operationId(method, url),
    ...(docs && { summary: docs.summary }),
    ...(docs?.description && { description: docs.description }),
    ...(docs?.body && { body: { content: textContent(docs.body) } }),
    tags: [tagOf(url)],
    security: SECURITY[access ?? 'open'],
    ...requestFieldsOf(method, url),
    response: withProblems(responsesOf(schema, docs), problemResponses(route, schema)),
  }
}

/** A status can have answers of the route as well as problems. */
function withProblems(answers: DescribedResponses, problems: DescribedResponses): DescribedResponses {
  const responses: Record<string, DescribedResponse> = { ...answers, ...problems }
  for (const [status, answer] of Object.entries(answers)) {
    const problem = problems[status]
    if (problem === undefined) continue
    responses[status] = {
      description: `${problem.description}, or an answer`,
      headers: { ...answer.headers, ...problem.headers },
      content: { ...answer.content, ...problem.content },
    }
  }
  return responses
}

function responsesOf(schema: FastifySchema, docs: RouteDocs | undefined): DescribedResponses {
  const schemas: Record<string, object> = { ...(schema.response as Record<string, object>), ...docs?.responses }
  return Object.fromEntries(
    Object.entries(schemas).map(([status, answer]) => [
      status,
      answerOf(status, answer, docs?.fields?.[Number(status)]),
    ]),
  )
}

function answerOf(status: string, answer: object, fields: readonly FieldName[] = []): DescribedResponse {
  const names: readonly FieldName[] = ['x-request-id', ...fields]
  const headers = Object.fromEntries(names.map(name => [name, RESPONSE_FIELDS[name]]))
  const description = STATUS_CODES[status] ?? status
  if ('type' in answer && answer.type === 'null') return { type: 'null', description, headers }
  if ('mediaType' in answer) {
    return { description, headers, content: textContent(answer as MediaType) }
  }
  const { examples, ...rest } = answer as { examples?: unknown[] }
  const example = examples?.[0]
  return {
    description,
    headers,
    content: { 'application/json': { schema: rest, ...(example !== undefined && { example }) } },
  }
}

interface ObjectSchema {
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, ObjectSchema & { readonly default?: unknown }>>
  readonly items?: ObjectSchema
}

/** A member with a default is optional in requests, though it is always set in the validated request. */
function defaultsOptional(schema: ObjectSchema): ObjectSchema {
  const { required, properties, items } = schema
  return {
    ...schema,
    ...(required && { required: required.filter(name => properties?.[name]?.default === undefined) }),
    ...(properties && { properties: mapValues(properties, defaultsOptional) }),
    ...(items && { items: defaultsOptional(items) }),
  }
}

function textContent({ mediaType, description, example }: MediaType) {
  const examples = example !== undefined && { examples: [example] }
  return { [mediaType]: { schema: { type: 'string', description, ...examples } } }
}

/** `POST /config/:key/rollback` is `postConfigKeyRollback`. */
function operationId(method: string, url: string): string {
  const words = url.split(/[^A-Za-z]+/).filter(Boolean)
  return method.toLowerCase() + words.map(word => word.charAt(0).toUpperCase() + word.slice(1)).join('')
}

function tagOf(url: string): string {
  if (/^\/(check|forward-auth|json)\b/.test(url)) return 'checks'
  if (url.startsWith('/reservations')) return 'reservations'
  if (/^\/(config|commands)\b/.test(url)) return 'policies'
  if (/^\/(top|stats|denials)\b/.test(url)) return 'insight'
  return url.startsWith('/buckets') ? 'buckets' : 'service'
}

function requestFieldsOf(method: string, url: string): FastifySchema {
  if (url === '/reservations') return { headers: RESERVATION_FIELDS }
  if (method === 'GET' || !url.startsWith('/config')) return {}
  return { headers: url === '/config/import' ? IMPORT_FIELDS : CHANGE_FIELDS }
}
