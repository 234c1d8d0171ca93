import fastJson from 'fast-json-stringify'
import type { FastifyInstance } from 'fastify'

/** Compiles the schema of a response when it is first sent, as `validatorOf` does with those of requests. */
export function serializeLazily(app: FastifyInstance): void {
  app.setSerializerCompiler(({ schema }) => {
    let serialize: ((value: unknown) => string) | undefined
    return value => {
      serialize ??= fastJson(schema as object)
      return serialize(value)
    }
  })
}
