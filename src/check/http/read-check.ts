import { JsonBounds } from '../../lib/json-bounds.ts'
import { parseJson } from '../../lib/parse-json.ts'
import { validator } from '../../lib/validator.ts'
import { CheckRequest } from './check.schema.ts'

/** More than a check has. */
const MAX_ELEMENTS = 8

const isCheck = validator.compile<CheckRequest>(CheckRequest)

/** The check in a body in UTF-8, with its defaults. Returns `undefined` for any other body, and for one with many repeated members. */
export function readCheck(body: Buffer): CheckRequest | undefined {
  if (new JsonBounds(MAX_ELEMENTS).problemOf(body) !== undefined) return undefined
  const value = parseJson(body.toString())
  return isCheck(value) ? value : undefined
}
