import type { Socket } from 'node:net'
import { isDisconnected } from './disconnect.ts'
import { HeldInput } from './held-input.ts'
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

/** Whether something has arrived on a connection that is not answered and that the parser has not seen. */
export function hasUnparsedRequest({ [INPUT]: input }: Connection): boolean {
  return input !== undefined && (input.isTaken || input.isHolding)
}

/**
 * The input of a connection. Some requests are taken from it before the parser sees them. While such a request is answered, what arrives is
 * held, so that answers keep the order of their requests.
 */
export class ParserInput {
  readonly #connection: Connection
  readonly #options: ParserInputOptions
  #isTaken = false
  /** Absent until something has to wait. */
  #held: HeldInput | undefined
  #hasEnded = false

  constructor(connection: Connection, options: ParserInputOptions) {
    this.#connection = connection
    this.#options = options
    connection[INPUT] = this
    connection
      .on('data', bytes => this.#receive(bytes))
      .on('end', () => this.#end())
      .on('resume', () => this.#passHeld())
  }

  get isTaken(): boolean {
    return this.#isTaken
  }

  /** Whether more has arrived while the request is answered. */
  get isHolding(): boolean {
    return this.#held?.isEmpty === false
  }

  /** The request that was taken is answered. */
  answered(): void {
    this.#isTaken = false
    this.#passHeld()
  }

  #receive(bytes: Buffer): void {
    if (this.#isTaken || this.isHolding) this.#hold(bytes)
    else this.#pass(bytes)
  }

  /** While responses wait for the client to read them, Node pauses the connection, and its parser must not get anything. */
  #passHeld(): void {
    while (!this.#isTaken && !this.#connection.isPaused()) {
      const bytes = this.#held?.take()
      if (bytes === undefined) break
      this.#pass(bytes)
    }
    if (this.#hasEnded) this.#end()
  }

  #hold(bytes: Buffer): void {
    this.#held ??= new HeldInput(this.#connection, this.#options.memory)
    this.#held.add(bytes)
  }

  #pass(bytes: Buffer): void {
    if (isDisconnected(this.#connection) || this.#offer(bytes)) return
    countBytes(this.#connection, bytes.length)
    this.#options.feed.parse(bytes)
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

  #end(): void {
    this.#hasEnded = this.#isTaken || this.isHolding
    if (!this.#hasEnded) this.#options.feed.end()
  }
}
