import { Ajv } from 'ajv'
import { CHECKED_SCHEMAS } from './checked-schemas.ts'

/** Validates parsed JSON without changing its types. Errors carry the data and the schema, so that a message can quote both. */
export const validator = new Ajv({
  ...CHECKED_SCHEMAS,
  allErrors: true,
  useDefaults: true,
  verbose: true,
  addUsedSchema: false,
})
