import type { IncomingMessage } from 'node:http'
import { Problem } from '../lib/errors.ts'

/** The problem of a request's head, independent of its route. @see https://www.rfc-editor.org/rfc/rfc9112#section-3.2 */
export function headProblem(request: IncomingMessage): Problem | undefined {
  const { httpVersion, httpVersionMajor, rawHeaders } = request
  if (httpVersionMajor !== 1) return versionUnsupported()
  const hosts = countHosts(rawHeaders)
  if (hosts > 1) return new Problem('validation-failed', 'the request has more than one Host field; one is allowed')
  if (hosts === 0 && httpVersion === '1.1') return new Problem('validation-failed', 'the request names no Host')
  return transferCodingProblem(request)
}

/**
 * Node's parser delimits a body by its last coding and ignores the others. In HTTP/1.0 the field may come from a proxy that does
 * not know it.
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-6.1
 */
function transferCodingProblem({ httpVersion, headers }: IncomingMessage): Problem | undefined {
  const coding = headers['transfer-encoding']
  if (coding === undefined) return undefined
  if (httpVersion === '1.0') return badFraming(`an HTTP/1.0 request has no Transfer-Encoding; it was ${coding}`)
  if (coding.toLowerCase() === 'chunked') return undefined
  return badFraming(`the only Transfer-Encoding that is allowed is chunked; it was ${coding}`)
}

function badFraming(detail: string): Problem {
  return new Problem('validation-failed', detail, { headers: { connection: 'close' } })
}

/** Node exposes only the first one. */
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
