import { isPercentEncoded, malformedParameters } from '../../http/percent-encoding.ts'
import { validationProblem } from '../../lib/errors.ts'
import { invalidKey } from '../accept-key.ts'

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
