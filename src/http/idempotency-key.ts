import type { IncomingHttpHeaders } from 'node:http'
import { validationProblem } from '../lib/errors.ts'

const IDEMPOTENCY_KEY = /^[!-~]{1,255}$/

/**
 * The key by which a repeated request is recognized.
 * @see https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header
 * @throws {Problem} `validation-failed`
 */
export function idempotencyKey(headers: IncomingHttpHeaders): string | undefined {
  const key = headers['idempotency-key']
  if (key === undefined) return undefined
  if (typeof key === 'string' && IDEMPOTENCY_KEY.test(key)) return key
  const message = `was ${JSON.stringify(key)}; 1 to 255 visible ASCII characters are allowed`
  throw validationProblem([{ path: '/headers/idempotency-key', message }])
}
