import type { IncomingMessage } from 'node:http'
import { Problem } from '../lib/errors.ts'

/** What is wrong with a request, whatever it asks for. @see https://www.rfc-editor.org/rfc/rfc9112#section-3.2 */
export function headProblem({ httpVersion, httpVersionMajor, rawHeaders }: IncomingMessage): Problem | undefined {
  if (httpVersionMajor !== 1) return versionUnsupported()
  const hosts = countHosts(rawHeaders)
  if (hosts > 1) return new Problem('validation-failed', 'the request has more than one Host field; one is allowed')
  if (hosts === 0 && httpVersion === '1.1') return new Problem('validation-failed', 'the request names no Host')
  return undefined
}

/** Node shows the first one only. */
function countHosts(rawHeaders: readonly string[]): number {
  let count = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length === 4 && name.toLowerCase() === 'host') count++
  }
  return count
}

export function versionUnsupported(): Problem {
  const headers = { connection: 'close' }
  return new Problem('http-version-unsupported', 'the request is neither HTTP/1.1 nor HTTP/1.0', { headers })
}
