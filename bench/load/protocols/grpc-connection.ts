/**
 * Calls of one gRPC method over HTTP/2, several at a time on each socket as gRPC clients do. It reads no more of an answer than that
 * it ends and whether it has a message, so it takes a fraction of what a client library does.
 * @see https://www.rfc-editor.org/rfc/rfc9113 and https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
import type { Socket } from 'node:net'
import type { Answered, Connection } from './connection.ts'
import { openSocket } from './open-socket.ts'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const FRAME_HEAD = 9
const [DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE] = [0, 1, 3, 4, 6, 7, 8]
const [END_STREAM, END_HEADERS, ACK] = [1, 4, 1]
/** As much as HTTP/2 allows, so that answers are never held back. */
const WINDOW = 0x7fff0000
const REFILL_AT = 0x3fff0000
const OK = 200
const FAILED = 500

interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

/** One socket, with the calls that are under way on it. */
export class GrpcSocket {
  readonly #socket: Socket
  readonly #headers: Buffer
  readonly #calls = new Map<number, GrpcConnection>()
  #users = 0
  #lastStream = -1
  #unread: Buffer = Buffer.alloc(0)
  #received = 0

  constructor(port: number, path: string) {
    this.#headers = requestHeaders(path)
    this.#socket = openSocket(port)
    this.#socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, Buffer.alloc(0)), windowUpdate(WINDOW)]))
    this.#socket.on('data', bytes => this.#read(bytes))
  }

  send(message: Buffer, call: GrpcConnection): void {
    this.#lastStream += 2
    const stream = this.#lastStream
    this.#calls.set(stream, call)
    const head = frame(HEADERS, END_HEADERS, stream, this.#headers)
    this.#socket.write(Buffer.concat([head, frame(DATA, END_STREAM, stream, message)]))
  }

  join(): void {
    this.#users++
  }

  /** Closes the socket once nobody uses it. */
  leave(): void {
    if (--this.#users === 0) this.#socket.destroy()
  }

  #read(bytes: Buffer): void {
    this.#unread = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes])
    for (;;) {
      const length = this.#unread.length < FRAME_HEAD ? Number.POSITIVE_INFINITY : this.#unread.readUIntBE(0, 3)
      if (this.#unread.length < FRAME_HEAD + length) return
      this.#take({
        type: this.#unread.readUInt8(3),
        flags: this.#unread.readUInt8(4),
        stream: this.#unread.readUInt32BE(5),
        payload: this.#unread.subarray(FRAME_HEAD, FRAME_HEAD + length),
      })
      this.#unread = this.#unread.subarray(FRAME_HEAD + length)
    }
  }

  #take({ type, flags, stream, payload }: Frame): void {
    if (type === GOAWAY) throw new Error('the measured process closed a connection')
    if (type === SETTINGS && (flags & ACK) === 0) this.#socket.write(frame(SETTINGS, ACK, 0, Buffer.alloc(0)))
    if (type === PING && (flags & ACK) === 0) this.#socket.write(frame(PING, ACK, 0, payload))
    const call = this.#calls.get(stream)
    if (call === undefined) return
    if (type === DATA) this.#takeData(call, payload.length)
    if (type === RST_STREAM) call.hasMessage = false
    if (type !== RST_STREAM && (flags & END_STREAM) === 0) return
    this.#calls.delete(stream)
    call.answered()
  }

  #takeData(call: GrpcConnection, length: number): void {
    call.hasMessage = true
    this.#received += length
    if (this.#received < REFILL_AT) return
    this.#socket.write(windowUpdate(this.#received))
    this.#received = 0
  }
}

/** One call at a time on a socket that others share. A call without a message in its answer failed. */
export class GrpcConnection implements Connection {
  sentAt = 0
  hasMessage = false
  readonly #socket: GrpcSocket
  readonly #answered: Answered

  constructor(socket: GrpcSocket, answered: Answered) {
    this.#socket = socket
    this.#answered = answered
    socket.join()
  }

  send(message: Buffer, sentAt: number): void {
    this.sentAt = sentAt
    this.hasMessage = false
    this.#socket.send(message, this)
  }

  answered(): void {
    this.#answered(this, this.hasMessage ? OK : FAILED)
  }

  close(): void {
    this.#socket.leave()
  }
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(FRAME_HEAD)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

function windowUpdate(bytes: number): Buffer {
  const increment = Buffer.alloc(4)
  increment.writeUInt32BE(bytes)
  return frame(WINDOW_UPDATE, 0, 0, increment)
}

/** In HPACK: indexes of its static table, and literals that are not indexed. @see https://www.rfc-editor.org/rfc/rfc7541 */
function requestHeaders(path: string): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)])
  return Buffer.concat([
    Buffer.from([0x83, 0x86]), // :method POST, :scheme http
    Buffer.from([0x04]), // :path
    text(path),
    Buffer.from([0x01]), // :authority
    text('localhost'),
    Buffer.from([0x0f, 0x10]), // content-type
    text('application/grpc'),
    Buffer.from([0x00]),
    text('te'),
    text('trailers'),
  ])
}
