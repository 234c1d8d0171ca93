import type { Socket } from 'node:net'
import { clientOf } from '../lib/client-of.ts'
import { disconnectInTurn, isDisconnected } from './disconnect.ts'
import { countBytes } from './paced-socket.ts'
import type { ParserFeed } from './parsers.ts'
import type { SharedBound } from './shared-bound.ts'

const INPUT = Symbol('the input of a connection')

interface Connection extends Socket {
  [INPUT]?: ParserInput
}

interface ParserInputOptions {
  readonly feed: ParserFeed
  /** Takes the bytes of a request, and calls `input.answered` once it is answered. Returns `false` if they are for the parser. */
  readonly take: (bytes: Buffer, input: ParserInput) => boolean
  /** That all clients share. */
  readonly memory: SharedBound
}

/** Whether a request of a connection is being answered that the parser has not seen. */
export function hasUnparsedRequest(connection: Connection): boolean {
  return connection[INPUT]?.isTaken === true
}

/**
 * The input of a connection. Some requests are taken from it before the parser sees them. While such a request is answered, the connection is
 * not read, and what has been read is held, so that answers keep the order of their requests.
 */
export class ParserInput {
  readonly #connection: Connection
  readonly #options: ParserInputOptions
  #isTaken = false
  /** Passes on what is held. */
  #release: (() => void) | undefined
  #hasEnded = false

  constructor(connection: Connection, options: ParserInputOptions) {
    this.#connection = connection
    this.#options = options
    connection[INPUT] = this
    connection.on('data', bytes => this.#receive(bytes)).on('end', () => this.#end())
  }

  get isTaken(): boolean {
    return this.#isTaken
  }

  /** Whether more has arrived while the request is answered. */
  get isHolding(): boolean {
    return this.#release !== undefined
  }

  /** The request that was taken is answered. */
  answered(): void {
    this.#isTaken = false
    this.#release?.()
    if (this.#hasEnded && !this.#isTaken) this.#options.feed.end()
  }

  #receive(bytes: Buffer): void {
    if (isDisconnected(this.#connection)) return
    if (this.#isTaken) this.#hold(bytes)
    else if (!this.#offer(bytes)) this.#parse(bytes)
  }

  #offer(bytes: Buffer): boolean {
    const { feed, take } = this.#options
    if (!feed.isBetweenMessages()) return false
    // It may be answered before `take` returns.
    this.#isTaken = true
    if (take(bytes, this)) return true
    this.#isTaken = false
    return false
  }

  #parse(bytes: Buffer): void {
    countBytes(this.#connection, bytes.length)
    this.#options.feed.parse(bytes)
  }

  #hold(bytes: Buffer): void {
    const connection = this.#connection
    const { memory } = this.#options
    const client = clientOf(connection.remoteAddress)
    const cut = () => disconnectInTurn(connection)
    const forget = () => memory.release(client, cut)
    this.#release = () => {
      this.#release = undefined
      connection.off('close', forget)
      forget()
      connection.resume()
      this.#receive(bytes)
    }
    connection.pause().once('close', forget)
    memory.hold(client, cut, bytes.length)
  }

  #end(): void {
    if (this.#isTaken) this.#hasEnded = true
    else this.#options.feed.end()
  }
}
