import { maxHeaderSize, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { Problem } from '../errors.ts'
import type { Connections } from './connections.ts'
import { PROBLEM_MEDIA_TYPE, problemBody } from './problem.ts'
import { requestIdOf } from './request-id.ts'

type ParserError = Error & { readonly code?: string }

/**
 * Answers what is not HTTP/1.1 once the requests before it are answered, and closes the connection: where the next request
 * begins, nobody can tell.
 */
export function rejectMalformedRequests(connections: Connections): (err: ParserError, socket: Socket) => void {
  const rejected = new WeakSet<Socket>()
  return (err, socket) => {
    if (rejected.has(socket)) return
    rejected.add(socket)
    connections.whenAnswered(socket, () => {
      if (socket.writable) socket.write(responseOf(problemOf(err), requestIdOf({ headers: {} })))
      socket.destroySoon()
    })
  }
}

function problemOf({ code }: ParserError): Problem {
  if (code === 'HPE_INVALID_VERSION') return versionUnsupported()
  const detail = `what was sent is not an HTTP/1.1 request with at most ${maxHeaderSize} bytes of fields: ${code}`
  return new Problem('validation-failed', detail)
}

export function versionUnsupported(): Problem {
  const headers = { connection: 'close' }
  return new Problem('http-version-unsupported', 'the request is neither HTTP/1.1 nor HTTP/1.0', { headers })
}

function responseOf(problem: Problem, requestId: string): string {
  const body = JSON.stringify(problemBody(problem, requestId))
  return [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `content-type: ${PROBLEM_MEDIA_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'cache-control: no-store',
    `x-request-id: ${requestId}`,
    'connection: close',
    '',
    body,
  ].join('\r\n')
}
