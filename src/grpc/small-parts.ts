import type { Http2Session, ServerHttp2Stream } from 'node:http2'
import { Duplex } from 'node:stream'

/** A part costs as much time as many bytes, so smaller ones are counted. */
const MIN_PART_BYTES = 64

/** Small parts of one request that do not count, such as the prefix of its message. */
const FREE_PARTS = 8

/** Small parts of a connection. */
const MAX_SMALL_PARTS = 100

/**
 * Ends a connection that sends its requests in many small parts, or many frames of PRIORITY: node:http2 handles each by itself, and all that
 * have arrived in one turn of the event loop.
 */
export class SmallParts {
  readonly #endConnection: () => void
  /** One function for all streams: with a function of its own, each stream stays in memory until the old generation is collected. */
  readonly #push: (this: Duplex, part: Buffer | null) => boolean
  #count = 0

  /**
   * @param endConnection ends it at once: what it has sent is then skipped
   * @param partArrived called with the bytes of each part
   */
  constructor(endConnection: () => void, partArrived: (bytes: number) => void) {
    this.#endConnection = endConnection
    const arrived = ({ length }: Buffer) => {
      this.#add(1 - length / MIN_PART_BYTES)
      partArrived(length)
    }
    this.#push = function (part) {
      const wantsMore = Duplex.prototype.push.call(this, part)
      if (part !== null) arrived(part)
      return wantsMore
    }
  }

  /** Counts the parts of a request as they arrive, whether or not somebody reads them. */
  countIn(stream: ServerHttp2Stream): void {
    this.#add(-FREE_PARTS)
    stream.push = this.#push
  }

  /** Counts frames of PRIORITY, which gRPC does not use. Node.js 24 reports none. */
  countPriorities(session: Http2Session): void {
    session.on('priority', () => this.#add(1))
  }

  #add(count: number): void {
    this.#count = Math.max(0, this.#count + count)
    if (this.#count > MAX_SMALL_PARTS) this.#endConnection()
  }
}
