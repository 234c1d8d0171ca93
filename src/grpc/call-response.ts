import type { ServerHttp2Stream } from 'node:http2'
import type { HeadFault } from './head-fault.ts'
import { frameOf } from './message-frames.ts'
import { OK, type Status, statusFields } from './status.ts'

const RESPONSE_FIELDS = { ':status': 200, 'content-type': 'application/grpc' }

/** With every member that node:http2 sets: each other one makes V8 describe a new type in the old generation, for each response. */
const RESPONSE_OPTIONS = { waitForTrailers: true, endStream: false }

/** The response to one call. Nothing is sent once the client has reset the call, which it may do at any time: node:http2 would throw. */
export class CallResponse {
  readonly #stream: ServerHttp2Stream
  /** With which the response ends. */
  #trailers = OK

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream
  }

  get hasBegun(): boolean {
    return this.#stream.headersSent
  }

  /** Sends one of several messages. Returns whether it could. */
  send(message: Buffer): boolean {
    if (!this.#isOpen) return false
    this.#beginMessages()
    this.#stream.write(frameOf(message))
    return true
  }

  /** Sends the last message, and the status OK. */
  finish(message: Buffer): void {
    if (!this.#isOpen) return
    this.#beginMessages()
    this.#stream.end(frameOf(message))
  }

  end(status: Status): void {
    const stream = this.#stream
    if (!this.#isOpen) return
    if (this.hasBegun) {
      this.#trailers = status
      stream.end()
    } else stream.respond({ ...RESPONSE_FIELDS, ...statusFields(status) }, { endStream: true })
  }

  /** Answers a request that is not a call. */
  refuse({ text, ...fields }: HeadFault): void {
    const stream = this.#stream
    if (!this.#isOpen) return
    stream.respond({ ...fields, 'content-type': 'text/plain' })
    // A request with the method HEAD gets no body, which Node knows.
    if (!stream.writableEnded) stream.end(text)
  }

  /** A stream that a client resets with NO_ERROR is closed for some events before it is destroyed. */
  get #isOpen(): boolean {
    const { closed, destroyed } = this.#stream
    return !closed && !destroyed
  }

  #beginMessages(): void {
    const stream = this.#stream
    if (this.hasBegun) return
    stream.respond(RESPONSE_FIELDS, RESPONSE_OPTIONS)
    stream.once('wantTrailers', () => {
      if (this.#isOpen) stream.sendTrailers(statusFields(this.#trailers))
    })
  }
}
