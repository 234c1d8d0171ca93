import { type Static, Type } from '@sinclair/typebox'
import type { FastifySchemaCompiler } from 'fastify'
import { MAX_CHECKS_TOGETHER } from '../../domain/group-decision.ts'
import { MAX_COUNT } from '../../domain/limits/limit-fault.ts'
import { type FieldError, validationProblem } from '../../lib/errors.ts'
import type { PathOf } from './accept-checks.ts'
import { CheckRequest } from './check.schema.ts'

const deny = Type.Optional(
  Type.Unsafe<403>({
    type: 'integer',
    enum: [403],
    description: 'Status of a denial instead of 429, for proxies that do not pass 429 on.',
  }),
)

const OneKey = Type.Object({ ...CheckRequest.properties, deny }, { additionalProperties: false })
type OneKey = Static<typeof OneKey>

const ONCE_OR_AS_OFTEN = 'Given once for all keys, or as often as `key` and in the same order.'

/** With several keys. A single key is the same parameter, given once. */
export const SeveralKeys = Type.Object(
  {
    key: Type.Array(CheckRequest.properties.key, {
      minItems: 1,
      maxItems: MAX_CHECKS_TOGETHER,
      description: `The key to check. With several, up to ${MAX_CHECKS_TOGETHER}, all must allow, or nothing is spent.`,
    }),
    tokens: Type.Optional(
      Type.Array(Type.Integer({ minimum: 0, maximum: MAX_COUNT }), {
        description: `Tokens to spend; 1 if omitted. ${ONCE_OR_AS_OFTEN}`,
      }),
    ),
    policy: Type.Optional(
      Type.Array(Type.String(), { description: `The config key of a stored policy. ${ONCE_OR_AS_OFTEN}` }),
    ),
    deny,
  },
  { additionalProperties: false },
)
export type SeveralKeys = Static<typeof SeveralKeys>

export type ForwardAuthQuery = OneKey | SeveralKeys

export function hasSeveralKeys(query: ForwardAuthQuery): query is SeveralKeys {
  return Array.isArray(query.key)
}

/** Validates a query by the schema of its number of keys. */
export function byNumberOfKeys(compile: FastifySchemaCompiler<unknown>): FastifySchemaCompiler<unknown> {
  return route => {
    if (route.httpPart !== 'querystring') return compile(route)
    const validateOne = compile({ ...route, schema: OneKey })
    const validateSeveral = compile({ ...route, schema: SeveralKeys })
    return given => (hasSeveralKeys(given) ? validateSeveral(given) : validateOne(given))
  }
}

/**
 * The checks of a query with several keys.
 * @throws {Problem} `validation-failed` if another parameter is not given once or as often as `key`
 */
export function checksOf({ key: keys, tokens = [1], policy: policies = [] }: SeveralKeys) {
  const faults = [...countFault('tokens', tokens, keys), ...countFault('policy', policies, keys)]
  if (faults.length > 0) throw validationProblem(faults)
  return keys.map((key, i) => {
    const policy = policies[i] ?? policies[0]
    return { key, tokens: tokens[i] ?? tokens[0] ?? 1, ...(policy !== undefined && { policy }) }
  })
}

/** The path to a member of a check, for a query with several keys. */
export function pathIn({ policy }: SeveralKeys): PathOf {
  return (index, member) => `/query/${member}${member === 'policy' && policy?.length === 1 ? '' : `/${index}`}`
}

function countFault(name: string, { length }: readonly unknown[], keys: readonly string[]): readonly FieldError[] {
  if (length <= 1 || length === keys.length) return []
  const message = `must be given once, or as often as key, which is ${keys.length} times; was given ${length} times`
  return [{ path: `/query/${name}`, message }]
}
