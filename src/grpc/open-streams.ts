import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import { FewItems } from '../lib/few-items.ts'

/** Where a session of node:http2 keeps its streams, with the members that it uses. */
interface SessionState {
  streams: Pick<OpenStreams, keyof OpenStreams>
  pendingStreams: Pick<Streams, 'size' | 'add' | 'delete' | 'forEach'>
}

/** A later Node.js may use more members of the sets than those here. */
const IS_KNOWN_NODE = Number.parseInt(process.versions.node, 10) <= 24

/**
 * Lets a new session keep its streams in sets that leave no garbage behind. In those of node:http2, most calls of a busy client would
 * stay until the old generation is collected, with their requests and responses. A session without these private members stays as it is, and
 * so does one of a Node.js that this was not tried with.
 */
export function keepFewStreams(session: ServerHttp2Session): void {
  if (!IS_KNOWN_NODE) return
  const key = Object.getOwnPropertySymbols(session).find(({ description }) => description === 'state')
  const state = key && (session as unknown as Record<symbol, SessionState>)[key]
  if (state?.streams?.size !== 0 || state.pendingStreams?.size !== 0) return
  state.streams = new OpenStreams()
  state.pendingStreams = new Streams()
}

class Streams extends FewItems<ServerHttp2Stream> {
  forEach(callback: (stream: ServerHttp2Stream) => void): void {
    for (const stream of this) callback(stream)
  }
}

/** Streams with their ids. */
class OpenStreams {
  readonly #streams = new Streams()
  #largestId = 0

  get size(): number {
    return this.#streams.size
  }

  get(id: number): ServerHttp2Stream | undefined {
    // The ids of a session increase, so this one is new.
    if (id > this.#largestId) return undefined
    return this.#streams.findLast(stream => stream.id === id)
  }

  set(id: number, stream: ServerHttp2Stream): void {
    this.#largestId = Math.max(this.#largestId, id)
    this.#streams.add(stream)
  }

  delete(id: number): boolean {
    const stream = this.get(id)
    return stream !== undefined && this.#streams.delete(stream)
  }

  forEach(callback: (stream: ServerHttp2Stream) => void): void {
    this.#streams.forEach(callback)
  }
}
