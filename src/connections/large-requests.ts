import { dropWhileClosing } from '../lib/drop-while-closing.ts'
import { Turns } from '../lib/turns.ts'
import { BYTES_PER_TURN } from './paced-reading.ts'

/** More than a check has. A larger request is handled in its turn, since to parse, decide or refuse it can take a millisecond. */
const SMALL_BYTES = 8 * 1024

/** As many as a batch of a hundred checks with all members has. With short keys, a body of few bytes can have seven times as many. */
const SMALL_ELEMENTS = 401

/** An element takes two bytes at least, in JSON and in protobuf, so requests of up to this size have no more of them. */
const FEW_BYTES = 2 * SMALL_ELEMENTS

/** Of requests of up to 64 KiB: they share the time with others, since a batch of a thousand checks is as large. */
const MEDIUM_PACE = { restPerTaskTime: 1 }

/** Larger than a thousand checks with the longest keys. Parsing such a request can take 40 ms, so it must be rare. */
const HUGE_BYTES = 2 * 1024 * 1024
const HUGE_PACE = { perSecond: 0.25, burst: 1 }

/** The turns in which large requests are handled once they have arrived, over any protocol. */
export class LargeRequests {
  readonly #medium = new Turns(MEDIUM_PACE)
  readonly #large = new Turns()
  readonly #huge = new Turns(HUGE_PACE)

  /** @param closing aborts when the process is about to close; requests that wait for long then are dropped */
  constructor(closing: AbortSignal) {
    dropWhileClosing(closing, () => this.#dropWaiting())
  }

  /**
   * The turns of a request; `undefined` if it is handled at once.
   * @param countElements counts members and items, or fields. Called only where their number matters. Default: there are few
   */
  turnsFor(bytes: number, countElements: () => number = () => 0): Turns | undefined {
    if (bytes <= FEW_BYTES || (bytes <= SMALL_BYTES && countElements() <= SMALL_ELEMENTS)) return undefined
    if (bytes <= BYTES_PER_TURN) return this.#medium
    return bytes <= HUGE_BYTES ? this.#large : this.#huge
  }

  #dropWaiting(): void {
    for (const turns of [this.#medium, this.#large, this.#huge]) turns.dropAll()
  }
}
