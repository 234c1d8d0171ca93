import type { Http2Session, IncomingHttpHeaders } from 'node:http2'
import type { Socket } from 'node:net'

/**
 * Bytes of other frames that a connection may send at once, and in a millisecond: more than clients need. The largest heads, which cost the
 * most, take about a millisecond together.
 */
const MAX_BYTES = 32 * 1024
const BYTES_PER_MS = 64

/** Bytes of a header field besides its name and its value, and of a head besides its fields, at most. */
const FIELD_BYTES = 12
const FRAME_BYTES = 9

/**
 * What a connection sends besides its calls: heads that node:http2 refuses, and frames that it handles or skips by itself. It reports none of
 * them, so they show only in the bytes that the socket has read.
 */
export class OtherFrames {
  readonly #socket: Socket
  readonly #session: Http2Session
  #bytesOfCalls = 0
  #lookedMs = performance.now()

  constructor(socket: Socket, session: Http2Session) {
    this.#socket = socket
    this.#session = session
  }

  /** The head of a call has arrived. Compressed, it was no larger than it is now. */
  countHead(headers: IncomingHttpHeaders): void {
    this.#bytesOfCalls += FRAME_BYTES
    for (const name in headers) this.#bytesOfCalls += name.length + String(headers[name]).length + FIELD_BYTES
  }

  /** A part of a message has arrived. */
  countPart(bytes: number): void {
    this.#bytesOfCalls += FRAME_BYTES + bytes
  }

  /** The bytes that the connection has sent beyond what it may. They are then forgotten. */
  takeExcess(nowMs: number): number {
    const { bytesRead } = this.#socket
    const counted = this.#bytesOfCalls + (nowMs - this.#lookedMs) * BYTES_PER_MS
    const excess = this.#excess(bytesRead - counted)
    // What is left of calls that were compressed covers nothing later.
    this.#bytesOfCalls = Math.min(counted + excess, bytesRead)
    this.#lookedMs = nowMs
    return excess
  }

  /** Parts of messages that nobody has read yet look like other frames. */
  #excess(bytes: number): number {
    if (bytes <= MAX_BYTES) return 0
    return Math.max(0, bytes - MAX_BYTES - (this.#session.state.effectiveRecvDataLength ?? 0))
  }
}
