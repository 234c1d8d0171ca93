import { Ajv, type ErrorObject } from 'ajv'
import { CHECKED_SCHEMAS } from './checked-schemas.ts'

/** Validates parsed JSON without changing its types. Errors carry the data and the schema, so that a message can quote both. */
export const validator = new Ajv({
  ...CHECKED_SCHEMAS,
  allErrors: true,
  useDefaults: true,
  verbose: true,
  addUsedSchema: false,
})

/** Tells whether a value matches a schema; `errors` are those of the last call. */
export interface Validate<T> {
  (value: unknown): value is T
  readonly errors?: ErrorObject[] | null
}

/** Compiles `schema` when it is first used: a process uses few of its schemas, and compiling all of them is a large part of its start. */
export function validatorOf<T>(schema: object): Validate<T> {
  let compiled: Validate<T> | undefined
  const validate = (value: unknown): value is T => {
    compiled ??= validator.compile<T>(schema)
    return compiled(value)
  }
  return Object.defineProperty(validate, 'errors', { get: () => compiled?.errors ?? null })
}
