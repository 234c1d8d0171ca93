import type { FastifyInstance, FastifySchemaCompiler } from 'fastify'
import { validatorOf } from '../lib/validator.ts'

/** Validates a request without a body, which Fastify passes as `null`, as an empty object. For routes whose `bodyIsOptional` is set. */
export function withOptionalBody(app: FastifyInstance): FastifySchemaCompiler<object> {
  const compile = app.validatorCompiler as FastifySchemaCompiler<object>
  return route => {
    if (route.httpPart !== 'body') return compile(route)
    const validate = validatorOf<object>(route.schema)
    return given => {
      const value = given ?? {}
      return validate(value) ? { value } : { error: validate.errors ?? [] }
    }
  }
}
