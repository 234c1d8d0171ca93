import { keyFault } from '../../domain/key.ts'
import { isPercentEncoded } from '../../http/percent-encoding.ts'
import { Problem } from '../../lib/errors.ts'

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
 * @throws {Problem} `key-invalid`
 */
export function acceptQuery(target: string): void {
  const query = target.slice(target.indexOf('?'))
  if (isPercentEncoded(query)) return
  throw invalidKey('/query/key', `the query ${query} is not percent-encoded UTF-8, such as key=a%26b for the key a&b`)
}

function invalidKey(path: string, message: string): Problem {
  return new Problem('key-invalid', message, { members: { errors: [{ path, message }] } })
}
