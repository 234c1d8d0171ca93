import { once } from 'node:events'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionOptions,
  connect,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { connect as connectSocket, type Socket } from 'node:net'
import { Duplex } from 'node:stream'

const HEADERS = {
  ':method': 'POST',
  ':path': '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit',
  'content-type': 'application/grpc',
  te: 'trailers',
}

export interface Http2Answer {
  readonly status: number
  readonly grpcStatus: string | undefined
  readonly message: string | undefined
  readonly body: Buffer
}

/** A client of gRPC that writes frames by hand. */
export class Http2Client {
  readonly session: ClientHttp2Session

  constructor(port: number, options: ClientSessionOptions = {}) {
    this.session = connect(`http://127.0.0.1:${port}`, options)
    this.session.on('error', () => undefined)
  }

  /** @param delayMs how long what the server sends is under way */
  static delayed(port: number, delayMs: number): Http2Client {
    return new Http2Client(port, { createConnection: () => delayed(connectSocket(port, '127.0.0.1'), delayMs) })
  }

  open(headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
    const stream = this.session.request({ ...HEADERS, ...headers }, { endStream: false })
    stream.on('error', () => undefined)
    return stream
  }

  async ask(body: Buffer, headers: OutgoingHttpHeaders = {}): Promise<Http2Answer> {
    const stream = this.open(headers)
    const answer = answerTo(stream)
    stream.end(body)
    return answer
  }

  close(): void {
    this.session.destroy()
  }
}

function delayed(socket: Socket, delayMs: number): Duplex {
  const delay = new Duplex({
    read: () => undefined,
    write: (chunk, _encoding, done) => void socket.write(chunk, () => done()),
    final: done => void socket.end(() => done()),
    destroy: (_err, done) => {
      socket.destroy()
      done(null)
    },
  })
  socket.on('data', chunk => void setTimeout(() => delay.push(chunk), delayMs))
  socket.on('end', () => void setTimeout(() => delay.push(null), delayMs))
  return delay
}

/** The answer of a stream, however it ends. */
export async function answerTo(stream: ClientHttp2Stream): Promise<Http2Answer> {
  const fields: Record<string, unknown> = {}
  const chunks: Buffer[] = []
  stream.on('response', headers => Object.assign(fields, headers))
  stream.on('trailers', trailers => Object.assign(fields, trailers))
  stream.on('data', chunk => chunks.push(chunk))
  if (!stream.closed) await once(stream, 'close')
  return {
    status: Number(fields[':status']),
    grpcStatus: fields['grpc-status'] as string | undefined,
    message: fields['grpc-message'] as string | undefined,
    body: Buffer.concat(chunks),
  }
}

/** A message with its prefix. */
export function framed(message: Buffer, { flag = 0, length = message.length } = {}): Buffer {
  const prefix = Buffer.alloc(5)
  prefix[0] = flag
  prefix.writeUInt32BE(length, 1)
  return Buffer.concat([prefix, message])
}
