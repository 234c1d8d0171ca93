import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import type { Answer } from './client.ts'

// biome-ignore lint/suspicious/noExplicitAny: the document is read as untyped JSON
type Json = any

interface Operation {
  readonly id: string
  readonly method: string
  /** With each parameter replaced by an example. */
  readonly path: string
  readonly summary: string | undefined
  readonly mediaType: string | undefined
  readonly body: unknown
  readonly bodySchema: Json
  readonly queryNames: readonly string[]
  readonly isGuarded: boolean
  readonly takesNobody: boolean
  /** Why the document does not allow the answer, or `undefined` if it does. */
  readonly breach: (answer: Answer) => string | undefined
}

/** The operations of an OpenAPI document, with a check of their answers. */
export function describeContract(document: Json): { operations: readonly Operation[] } {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  ajv.addSchema({ $id: 'http://throttler/openapi', ...document })
  const operations = Object.entries<Json>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Json>(methods).map(([method, operation]) => ({
      ...operationOf(ajv, path, method, operation),
      bodySchema: resolved(document, bodyOf(operation)[1]?.schema),
    })),
  )
  return { operations }
}

function bodyOf(operation: Json): [mediaType?: string, media?: Json] {
  return Object.entries<Json>(operation.requestBody?.content ?? {})[0] ?? []
}

/** Resolves the reference to a named schema. */
function resolved(document: Json, schema: Json): Json {
  const name = /^#\/components\/schemas\/(.+)$/.exec(schema?.$ref ?? '')?.[1]
  return name === undefined ? schema : document.components.schemas[name]
}

function operationOf(ajv: Ajv2020, path: string, method: string, operation: Json): Omit<Operation, 'bodySchema'> {
  const [mediaType, media] = bodyOf(operation)
  const query = (operation.parameters ?? []).filter(({ in: place }: Json) => place === 'query')
  const required = query.filter(({ required }: Json) => required).map(({ name }: Json) => `${name}=example`)
  return {
    id: operation.operationId,
    method: method.toUpperCase(),
    path:
      path.replace(/\{key\}/g, 'user%3A42').replace(/\{\w+\}/g, '1') +
      (required.length > 0 ? `?${required.join('&')}` : ''),
    summary: operation.summary,
    mediaType,
    body: media?.example,
    queryNames: query.map(({ name }: Json) => name),
    isGuarded: operation.security.length > 0,
    takesNobody: operation.security.every((scheme: Json) => Object.keys(scheme).length === 0),
    breach: answer => breachOf(ajv, operation, path, method, answer),
  }
}

const validators = new Map<string, ValidateFunction>()

function breachOf(ajv: Ajv2020, operation: Json, path: string, method: string, answer: Answer): string | undefined {
  const promised = operation.responses[answer.status]
  if (promised === undefined) return `the status ${answer.status} is not promised: ${answer.text}`
  const mediaType = answer.headers.get('content-type')?.replace(/;.*$/, '')
  if (promised.content === undefined) return answer.text === '' ? undefined : `a body is not promised: ${answer.text}`
  if (mediaType === undefined || promised.content[mediaType] === undefined) return `${mediaType} is not promised`
  const code = answer.body?.code
  const examples = promised.content[mediaType].examples
  if (mediaType === 'application/problem+json' && examples[code] === undefined)
    return `the code ${code} is not promised`
  if (!/[/+]json$/.test(mediaType)) return undefined
  const pointer = ['paths', path, method, 'responses', answer.status, 'content', mediaType, 'schema']
  const ref = `http://throttler/openapi#/${pointer.map(part => encodeURIComponent(String(part).replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`
  const validate = validators.get(ref) ?? ajv.compile({ $ref: ref })
  validators.set(ref, validate)
  return validate(answer.body) ? undefined : ajv.errorsText(validate.errors)
}
