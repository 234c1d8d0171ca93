import { Ajv } from 'ajv'

/** Validates parsed JSON without changing its types. Errors carry the data and the schema, so that a message can quote both. */
export const validator = new Ajv({ allErrors: true, useDefaults: true, verbose: true, addUsedSchema: false })
