import type { IncomingHttpHeaders } from 'node:http2'
import type { Socket } from 'node:net'

/** Bytes of other frames that a connection may send at once, and in a millisecond: much more than clients need. */
const MAX_BYTES = 64 * 1024
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
  #bytesOfCalls = 0
  #lookedMs = performance.now()

  constructor(socket: Socket) {
    this.#socket = socket
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

  /** Whether the connection has sent too many. */
  areTooMany(nowMs: number): boolean {
    const { bytesRead } = this.#socket
    const counted = this.#bytesOfCalls + (nowMs - this.#lookedMs) * BYTES_PER_MS
    // What is left of calls that were compressed covers nothing later.
    this.#bytesOfCalls = Math.min(counted, bytesRead)
    this.#lookedMs = nowMs
    return bytesRead - this.#bytesOfCalls > MAX_BYTES
  }
}
