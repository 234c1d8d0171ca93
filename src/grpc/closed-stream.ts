import type { ServerHttp2Stream } from 'node:http2'
import { Duplex } from 'node:stream'

/** Members of a stream that refer to what its call had. */
interface StreamMembers {
  _events: unknown
  _eventsCount: number
  _readableState: unknown
  _writableState: unknown
  [key: symbol]: unknown
}

/** The states of each closed stream. */
const CLOSED = membersOf(new Duplex().destroy())

/** Fields of a response, which node:http2 keeps under a symbol of its own. */
class SentFields {
  readonly #member: 'sentHeaders' | 'sentTrailers'
  readonly #description: string
  #key: symbol | undefined

  constructor(member: 'sentHeaders' | 'sentTrailers', description: string) {
    this.#member = member
    this.#description = description
  }

  release(stream: ServerHttp2Stream): void {
    if (stream[this.#member] === undefined) return
    this.#key ??= Object.getOwnPropertySymbols(stream).find(({ description }) => description === this.#description)
    if (this.#key !== undefined) membersOf(stream)[this.#key] = undefined
  }
}

const SENT_HEADERS = new SentFields('sentHeaders', 'sent-headers')
const SENT_TRAILERS = new SentFields('sentTrailers', 'sent-trailers')

/**
 * Lets a stream that has closed refer to nothing more: neither to its listeners, which know its call, nor to its buffers and fields. It still
 * says that it is destroyed. In Node.js 24, V8 creates a function that is assigned to a member in the old generation. Each writable stream
 * has one, `onwrite`, which keeps the stream in memory until the old generation is collected.
 */
export function releaseClosed(stream: ServerHttp2Stream): void {
  const members = membersOf(stream)
  members._events = undefined
  members._eventsCount = 0
  members._readableState = CLOSED._readableState
  members._writableState = CLOSED._writableState
  SENT_HEADERS.release(stream)
  SENT_TRAILERS.release(stream)
}

function membersOf(stream: Duplex): StreamMembers {
  return stream as unknown as StreamMembers
}
