import { keyFault } from '../../domain/key.ts'
import { isPercentEncoded, malformedParameters } from '../../http/percent-encoding.ts'
import { Problem, validationProblem } from '../../lib/errors.ts'

/**
 * Refuses an invalid key.
 * @param path the JSON pointer to the key in the request
 * @throws {Problem} `key-invalid`
 */
export function acceptKey(path: '/key' | '/params/key' | '/query/key', key: string): void {
  const fault = keyFault(key)
  if (fault !== undefined) throw invalidKey(path, fault)
}

/**
 * Refuses a query that is not percent-encoded UTF-8; otherwise two different queries could mean the same key.
 * @throws {Problem} `key-invalid`, or `validation-failed` for another parameter
 */
export function acceptQuery(target: string): void {
  if (isPercentEncoded(target.slice(target.indexOf('?')))) return
  const faults = malformedParameters(target)
  const ofKey = faults.find(({ path }) => path === '/query/key')
  throw ofKey === undefined ? validationProblem(faults) : invalidKey(ofKey.path, ofKey.message)
}

function invalidKey(path: string, message: string): Problem {
  return new Problem('key-invalid', message, { members: { errors: [{ path, message }] } })
}
