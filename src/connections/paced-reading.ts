import { Turns } from '../lib/turns.ts'
import { disconnectInTurn } from './disconnect.ts'
import { type Waiter, waitForTurn } from './wait-for-turn.ts'

/** Bytes that are read of one body in a turn of the event loop. */
export const BYTES_PER_TURN = 64 * 1024

/** 32 MB a second of all bodies with the same turns, after a burst of 4 MB: more than they need, and a small part of the time of a process. */
const PACE = { perSecond: 500, burst: 64 }

/** Minimum average size of chunks, for a body of many chunks: a chunk costs as much time as a kilobyte. */
const MAX_SMALL_CHUNKS = 256
const MIN_CHUNK_BYTES = 64

/** Turns of bodies that are read in part. */
export function readingTurns(): Turns {
  return new Turns(PACE)
}

/** Where a body comes from: its connection, or its own stream if the connection has others. */
interface BodySource {
  pause(): void
  resume(): void
}

/**
 * The reading of one body, which pauses for a turn whenever it has read the bytes of one. Otherwise Node reads a socket until it is
 * empty, which can be megabytes in one turn of the event loop, and all other sockets in the same turn, while it accepts only one new
 * connection in each.
 */
export class PacedReading {
  readonly #source: BodySource
  readonly #waiter: Waiter
  #bytes = 0
  #chunks = 0
  #pauseAfter = BYTES_PER_TURN
  #withdraw: (() => void) | undefined

  constructor(source: BodySource, waiter: Waiter) {
    this.#source = source
    this.#waiter = waiter
  }

  /** Bytes that were read. */
  get bytes(): number {
    return this.#bytes
  }

  /** Counts a chunk that was read. Returns whether the body is read on: a client that sends hundreds of tiny chunks is disconnected. */
  take(bytes: number, turns: Turns): boolean {
    this.#bytes += bytes
    this.#chunks++
    if (this.#chunks > MAX_SMALL_CHUNKS && this.#bytes < this.#chunks * MIN_CHUNK_BYTES) {
      disconnectInTurn(this.#waiter.socket)
      return false
    }
    if (this.#bytes >= this.#pauseAfter) {
      this.#pauseAfter = this.#bytes + BYTES_PER_TURN
      this.pause(turns)
    }
    return true
  }

  /** Pauses the body until its turn. */
  pause(turns: Turns): void {
    this.#source.pause()
    this.#withdraw = waitForTurn(turns, this.#waiter, { run: () => this.#source.resume() })
  }

  /** Gives up the turn that the body waits for. */
  withdraw(): void {
    this.#withdraw?.()
  }
}
