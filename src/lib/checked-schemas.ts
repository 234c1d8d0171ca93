/** Ajv's options for our own schemas, which tests check. Compiling the meta-schema to check them again takes every process time at its start. */
export const CHECKED_SCHEMAS = { meta: false, validateSchema: false } as const
