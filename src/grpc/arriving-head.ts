import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'

/** Bytes of the head of a call, as in HTTP. */
const MAX_HEAD_BYTES = 16 * 1024

/** Settings that bound heads. */
export const HEAD_SETTINGS = { maxHeaderListSize: MAX_HEAD_BYTES }

/** Bytes of a head until the client has acknowledged the settings. */
const MAX_HEAD_BYTES_BEFORE = 64 * 1024

/** Memory of a head besides its bytes. */
const BYTES_PER_HEAD = 4_096

/**
 * The preface of a connection, and then the head that is arriving. node:http2 reports a head once it is complete. One that is not shows
 * in the last stream that has begun, which is then later than the last one that was reported.
 */
export class ArrivingHead {
  readonly #socket: Socket
  readonly #session: ServerHttp2Session
  readonly #openedMs = performance.now()
  #hasPreface = false
  #lastStream = 0
  #bytesSeen = 0
  /** The stream whose head has arrived in part; since when, by `performance.now()`; and the memory that it counts. */
  #begun: { readonly stream: number; readonly sinceMs: number; readonly bytes: number } | undefined

  constructor(socket: Socket, session: ServerHttp2Session) {
    this.#socket = socket
    this.#session = session
    session.once('remoteSettings', () => {
      this.#hasPreface = true
    })
  }

  /** Memory of a head, at most. */
  get maxBytes(): number {
    return BYTES_PER_HEAD + (this.#session.pendingSettingsAck ? MAX_HEAD_BYTES_BEFORE : MAX_HEAD_BYTES)
  }

  /** The head of a stream has arrived. */
  arrived({ id = 0 }: ServerHttp2Stream): void {
    this.#lastStream = id
  }

  /**
   * Since when the preface or a head is missing a part; `undefined` if none is.
   * @param hold called if the memory of a head has changed, with the bytes by which it has
   */
  look(nowMs: number, hold: (bytes: number) => void): number | undefined {
    if (!this.#hasPreface) return this.#openedMs
    const { bytesRead } = this.#socket
    if (bytesRead !== this.#bytesSeen) this.#inspect(nowMs, hold)
    this.#bytesSeen = bytesRead
    return this.#begun?.sinceMs
  }

  #inspect(nowMs: number, hold: (bytes: number) => void): void {
    const stream = this.#session.state.lastProcStreamID ?? 0
    if (stream === this.#begun?.stream && stream > this.#lastStream) return
    if (this.#begun !== undefined) hold(-this.#begun.bytes)
    this.#begun = stream > this.#lastStream ? { stream, sinceMs: nowMs, bytes: this.maxBytes } : undefined
    if (this.#begun !== undefined) hold(this.#begun.bytes)
  }
}
