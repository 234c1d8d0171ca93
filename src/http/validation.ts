import { Ajv, type Options } from 'ajv'
import type { FastifyInstance } from 'fastify'

const options: Options = { allErrors: true, useDefaults: true, verbose: true, addUsedSchema: false }

/** For bodies, which are taken as they are. */
export const bodyValidator = new Ajv({ ...options, coerceTypes: false })

/**
 * Bodies are taken as they are; path and query parameters are text, so numbers are read from it. Nothing is removed: what is
 * not known is refused, and a route that says nothing of its query takes none.
 */
export function validateStrictly(app: FastifyInstance): void {
  const text = new Ajv({ ...options, coerceTypes: true })
  app.setValidatorCompiler(({ schema, httpPart }) => (httpPart === 'body' ? bodyValidator : text).compile(schema))

  app.addHook('onRoute', route => {
    route.schema = { querystring: { type: 'object', additionalProperties: false }, ...route.schema }
  })
}
