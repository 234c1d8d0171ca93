/** The problems of a route, for the OpenAPI document. */
import { STATUS_CODES } from 'node:http'
import type { TSchema } from '@sinclair/typebox'
import type { FastifySchema, RouteOptions } from 'fastify'
import { DENIALS, ERRORS, type ErrorCode, errorType } from '../lib/errors.ts'
import { type FieldName, RESPONSE_FIELDS } from './openapi-fields.ts'
import { ProblemResponse } from './problem.schema.ts'

/** A response of a route, as OpenAPI describes it. */
export interface DescribedResponse {
  /** As Fastify's plugin describes a response without a body. */
  readonly type?: 'null'
  readonly description: string
  readonly headers: object
  /** By media type. */
  readonly content?: object
}

/** By status. */
export type DescribedResponses = Readonly<Record<string, DescribedResponse>>

/** Every problem of a route. */
export function problemResponses(route: RouteOptions, schema: FastifySchema): DescribedResponses {
  const { errors = [], denial, denialStatuses } = route.config?.docs ?? {}
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of new Set([...codesOf(route, schema), ...errors])) {
    const statuses = (DENIALS.has(code) ? denialStatuses : undefined) ?? [ERRORS[code].status]
    for (const status of statuses) byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return Object.fromEntries([...byStatus].map(([status, codes]) => [status, problemResponse(status, codes, denial)]))
}

/** The problems that follow from the route's access, body and path. */
function codesOf({ config, url }: RouteOptions, schema: FastifySchema): ErrorCode[] {
  const codes: ErrorCode[] = ['validation-failed', 'internal']
  if (schema.body !== undefined || config?.docs?.body !== undefined)
    codes.push('body-malformed', 'body-too-large', 'media-type-unsupported')
  if (schema.body !== undefined) codes.push('draining')
  if (url.includes(':key')) codes.push('key-invalid')
  if (config?.access !== undefined) codes.push('unauthorized', 'forbidden', 'too-many-failed-logins', 'overloaded')
  if (config?.access === 'admin') codes.push('admin-limit-exceeded')
  return codes
}

/** An example of each code. */
export function problemExamples(): Record<string, { value: object }> {
  const codes = Object.keys(ERRORS) as ErrorCode[]
  return Object.fromEntries(codes.map(code => [code, { value: exampleOf(code) }]))
}

function problemResponse(status: number, codes: readonly ErrorCode[], denial: TSchema | undefined): DescribedResponse {
  const decides = codes.includes('quota-exceeded')
  const names: FieldName[] = ['x-request-id', ...(FIELDS[status] ?? []), ...(decides ? DENIAL_FIELDS : [])]
  return {
    description: `${STATUS_CODES[status]}: ${codes.map(code => `\`${code}\``).join(', ')}`,
    headers: Object.fromEntries(names.map(name => [name, RESPONSE_FIELDS[name]])),
    content: {
      'application/problem+json': {
        schema: decides && denial !== undefined ? { anyOf: [denial, ProblemResponse] } : ProblemResponse,
        examples: Object.fromEntries(codes.map(code => [code, { $ref: `#/components/examples/${code}` }])),
      },
    },
  }
}

const DENIAL_FIELDS: readonly FieldName[] = ['retry-after', 'ratelimit', 'ratelimit-policy']

const FIELDS: Readonly<Record<number, readonly FieldName[]>> = {
  401: ['www-authenticate'],
  429: ['retry-after'],
  503: ['retry-after'],
}

function exampleOf(code: ErrorCode) {
  const { title, status } = ERRORS[code]
  const detail = EXAMPLE_DETAILS[code] ?? title
  return {
    type: errorType(code),
    title,
    status,
    detail,
    instance: 'urn:request:a1b2c3',
    code,
    ...EXAMPLE_MEMBERS[code],
  }
}

const EXAMPLE_DETAILS: Partial<Record<ErrorCode, string>> = {
  'body-malformed': 'the body is empty; JSON is expected',
  'body-too-large': 'the body has more than the 65536 bytes allowed here',
  'media-type-unsupported': 'the body is not application/json in UTF-8; only that is allowed here',
  'validation-failed': '/tokens: must be an integer from 0 to 1000000000; was -1',
  'key-invalid': 'the key is empty; 1 to 256 bytes of UTF-8 are allowed',
  'key-reserved':
    '"default" is reserved; use "*" to set the limit of every key; export, import and default are not config keys',
  'tokens-exceed-capacity':
    '101 tokens asked for "user:42", but the limit "default" of the policy "default" never holds more than 100',
  unauthorized: 'send a valid token: Authorization: Bearer <token>',
  forbidden: 'the token "eve" may only read; the method was PUT',
  'policy-not-found': 'the key "user:42" has no policy',
  'version-not-found': 'the key "user:42" has no version 7',
  'version-conflict': 'the policy is at version 4; If-Match asks for "3"',
  'quota-exceeded': '0 of 100 tokens left; 10 more every 1000 ms',
  blocked: 'the policy "user:13" blocks the key',
}

const DENIED = {
  allowed: false,
  key: 'user:42',
  policy: 'user:*',
  policyVersion: 3,
  limit: 100,
  remaining: 0,
  retryAfterMs: 100,
  resetAfterMs: 10_000,
  source: 'redis',
}

const EXAMPLE_MEMBERS: Partial<Record<ErrorCode, object>> = {
  'validation-failed': { errors: [{ path: '/tokens', message: 'must be an integer from 0 to 1000000000; was -1' }] },
  'policy-not-found': { key: 'user:42' },
  'version-not-found': { key: 'user:42' },
  'quota-exceeded': { ...DENIED, 'violated-policies': ['default'] },
  blocked: { ...DENIED, key: 'user:13', policy: 'user:13', retryAfterMs: null, resetAfterMs: null, source: 'policy' },
}
