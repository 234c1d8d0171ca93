import { Gathering } from './gathering.ts'

/** The longest time that a call waits for the replies of other shards, in ms. */
const MAX_WAIT_MS = 5

/** A call with so many items costs little for each of them, so it waits for no others. */
const ENOUGH = 32

/** If so many checks or more arrive in the time of a call, it pays to wait for other calls. */
const BUSY = 2

/** After a round of so many items or more, the next one waits for those whom its replies answer. */
const MANY = 16

/** The next round begins once this part of the last round's items has come again. To wait for the last few would delay all others. */
const MOST = 0.8

/** The longest wait for them, in ms. Clients need longer than the shortest time of a timer to read their answers and ask again. */
const RETURN_MS = 2

/** Calls to several shards that are under way together. */
export class Round {
  inFlight = 0
  items = 0
  /** All replies are there. */
  isOver = false
  /** Checks that have come since then. */
  returned = 0

  get isUnderWay(): boolean {
    return this.inFlight > 0 || this.isOver
  }

  get isLarge(): boolean {
    return this.items >= MANY
  }

  /** Whether about as many checks have come again as it had. */
  get hasReturned(): boolean {
    return this.returned >= MOST * this.items
  }
}

/**
 * Lets the calls of a busy process to all shards of a store go out together, in rounds. Each shard has its own calls, so with more
 * shards, each of them has fewer checks, which makes a check cost more. Once the replies of a round are there, the next one begins as
 * soon as most of those whom they answer have asked again, after two milliseconds at most. A shard that does not answer delays the
 * others once, by five milliseconds at most, since the next round does not wait for it. A check at a quiet moment waits for nothing.
 */
export class Rounds {
  readonly #gathering = new Gathering()
  #round = new Round()
  readonly #waiting = new Set<() => void>()
  #replyTimer: NodeJS.Timeout | undefined
  #returnTimer: NodeJS.Timeout | undefined

  /** @param atMs by `performance.now()` */
  arrived(atMs: number): void {
    this.#gathering.arrived(atMs)
    if (!this.#round.isOver) return
    this.#round.returned++
    if (this.#returnTimer !== undefined && this.#round.hasReturned) this.#beginNextSoon()
  }

  /** Whether a call waits for the next round; then `begin` is called. @param items of the call */
  delays(items: number, begin: () => void): boolean {
    if (!this.#round.isUnderWay || items >= ENOUGH || !this.#isBusy) return false
    this.#waiting.add(begin)
    this.#replyTimer ??= setTimeout(() => this.#beginNext(), MAX_WAIT_MS)
    return true
  }

  get #isBusy(): boolean {
    return this.#round.isLarge || this.#gathering.worthACall >= BUSY
  }

  /** A call begins. @returns its round, for `answered` */
  called(items: number): Round {
    if (!this.#round.isUnderWay) this.#round = new Round()
    this.#round.inFlight++
    this.#round.items += items
    return this.#round
  }

  answered(round: Round): void {
    round.inFlight--
    if (round !== this.#round || round.inFlight > 0 || round.isOver) return
    round.isOver = true
    if (!round.isLarge) this.#beginNextSoon()
    else this.#returnTimer = setTimeout(() => this.#beginNext(), RETURN_MS)
  }

  /** At the end of this turn of the event loop. */
  #beginNextSoon(): void {
    const round = this.#round
    this.#endReturn()
    setImmediate(() => {
      if (round === this.#round) this.#beginNext()
    })
  }

  #beginNext(): void {
    clearTimeout(this.#replyTimer)
    this.#replyTimer = undefined
    this.#endReturn()
    this.#round = new Round()
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const begin of waiting) begin()
  }

  #endReturn(): void {
    clearTimeout(this.#returnTimer)
    this.#returnTimer = undefined
  }
}
