import { type IncomingMessage, maxHeaderSize, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Connections } from '../connections/connections.ts'
import { disconnect } from '../connections/disconnect.ts'
import type { LingeringClose } from '../connections/lingering-close.ts'
import { ignoreInput } from '../connections/parsers.ts'
import { Problem } from '../lib/errors.ts'
import { headProblem, versionUnsupported } from './head-problem.ts'
import { nothingAt } from './methods.ts'
import { PROBLEM_MEDIA_TYPE, problemBody } from './problem.ts'
import { requestIdOf } from './request-id.ts'

interface ParserError {
  readonly code?: string
  readonly reason?: string
}

/** As in Apache. Each field costs memory and time, however short it is. @see https://httpd.apache.org/docs/2.4/mod/core.html#limitrequestfields */
export const MAX_FIELDS = 100

/** The parser's code for a head that is too large; in later versions of Node, also for too many fields. */
const HEAD_OVERFLOW = 'HPE_HEADER_OVERFLOW'
const HEAD_TOO_LARGE = `the head has more than the ${MAX_FIELDS} fields or ${maxHeaderSize} bytes allowed`

/** The parser's reason, with the code of an unsupported version, for a line that ends without a carriage return. */
const BARE_LINE_FEED = 'Expected CRLF after version'

/** The parser's codes for a version that is not supported. The second one is for the preface of HTTP/2. */
const OTHER_VERSIONS: ReadonlySet<string | undefined> = new Set(['HPE_INVALID_VERSION', 'HPE_PAUSED_H2_UPGRADE'])

/** The connections of the server, and how to close one after its last answer. */
interface Closing {
  readonly connections: Connections
  readonly lingeringClose: LingeringClose
}

/**
 * Refuses bytes that are not HTTP/1.1, after the requests before them are answered. Closes the connection, since the start of the
 * next request is unknown.
 */
export function rejectMalformedRequests(closing: Closing): (err: ParserError, socket: Socket) => void {
  const rejected = new WeakSet<Socket>()
  return (err, socket) => {
    if (rejected.has(socket)) return
    rejected.add(socket)
    // Until the requests before are answered, the error would hold the packet that it was found in.
    const problem = problemOf(err)
    answerLast(closing, socket, () => responseOf(problem, requestIdOf({ headers: {} })))
  }
}

/**
 * Refuses a head with too many fields, as an error of the parser. Trailers are part of a request that is being handled, so the client
 * is disconnected.
 */
export function rejectTooManyFields(reject: (err: ParserError, socket: Socket) => void) {
  return (connection: Socket, inTrailers: boolean): void => {
    if (inTrailers) disconnect(connection)
    else {
      ignoreInput(connection)
      reject({ code: HEAD_OVERFLOW }, connection)
    }
  }
}

/** Refuses CONNECT, for which Node hands over the connection, after the requests before it are answered; then closes it. */
export function rejectTunnels(closing: Closing): (request: IncomingMessage, socket: Duplex) => void {
  return (request, duplex) => {
    const socket = duplex as Socket
    // Node has removed its own listeners: an error would end the process, and a disconnect would go unnoticed.
    socket.on('error', () => socket.destroy())
    const problem = headProblem(request) ?? nothingAt(request)
    answerLast(closing, socket, () => responseOf(problem, requestIdOf(request)))
  }
}

/** Answers after the requests before, ignores what follows, and closes the connection. */
function answerLast({ connections, lingeringClose }: Closing, socket: Socket, response: () => string): void {
  lingeringClose.discardInput(socket)
  connections.whenAnswered(socket, hasLastResponse => {
    if (socket.writable && !hasLastResponse) socket.write(response())
    lingeringClose.close(socket)
  })
}

function problemOf({ code, reason }: ParserError): Problem {
  if (reason === BARE_LINE_FEED) return new Problem('validation-failed', 'the request line must end with CR LF')
  if (OTHER_VERSIONS.has(code)) return versionUnsupported()
  if (code === HEAD_OVERFLOW) return new Problem('validation-failed', HEAD_TOO_LARGE)
  return new Problem('validation-failed', `this is not an HTTP/1.1 request: ${code}`)
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
