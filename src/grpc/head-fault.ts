import type { IncomingHttpHeaders } from 'node:http2'

const CONTENT_TYPE = /^application\/grpc(\+proto)?(;|$)/i

/** The response to a request that is not a call. */
export interface HeadFault {
  readonly ':status': number
  readonly allow?: string
  readonly text: string
}

/** Why a request is not a call; `undefined` if it is one. */
export function headFault(headers: IncomingHttpHeaders): HeadFault | undefined {
  if (headers[':method'] !== 'POST') {
    return { ':status': 405, allow: 'POST', text: 'This port answers calls of gRPC, which use POST.\n' }
  }
  if (CONTENT_TYPE.test(headers['content-type'] ?? '')) return undefined
  return { ':status': 415, text: 'This port answers calls of gRPC, whose content type is application/grpc.\n' }
}
