import { Gathering } from './gathering.ts'

/** The longest time that a call waits for the replies of other shards, in ms. */
const MAX_WAIT_MS = 2

/** A call with so many items costs little for each of them, so it waits for no others. */
const ENOUGH = 32

/** If so many checks or more arrive in the time of a call, it pays to wait for other calls. */
const BUSY = 2

/**
 * Lets the calls of a busy process to all shards of a store go out together, in rounds. Each shard has its own calls, so with more
 * shards, each of them has fewer checks, which makes a check cost more. Once the replies of a round are there, the next one begins after
 * a turn of the event loop that has brought no checks: those whom the replies answer have time to ask again. A shard that is slow
 * delays others by two milliseconds at most, and a check at a quiet moment waits for nothing.
 */
export class Rounds {
  readonly #gathering = new Gathering()
  #arrivals = 0
  #inFlight = 0
  #isEnding = false
  readonly #waiting = new Set<() => void>()
  #timer: NodeJS.Timeout | undefined

  /** @param atMs by `performance.now()` */
  arrived(atMs: number): void {
    this.#arrivals++
    this.#gathering.arrived(atMs)
  }

  /** Whether a call waits until the round ends, or for 2 ms at most; then `begin` is called. @param items of the call */
  delays(items: number, begin: () => void): boolean {
    const isUnderWay = this.#inFlight > 0 || this.#isEnding
    if (!isUnderWay || items >= ENOUGH || this.#gathering.worthACall < BUSY) return false
    this.#waiting.add(begin)
    this.#timer ??= setTimeout(() => this.#beginAll(), MAX_WAIT_MS)
    return true
  }

  called(): void {
    this.#inFlight++
  }

  answered(): void {
    this.#inFlight--
    if (this.#inFlight > 0 || this.#isEnding) return
    this.#isEnding = true
    this.#endAfterQuietTurn(performance.now() + MAX_WAIT_MS)
  }

  /** After a turn of the event loop that has brought no checks. */
  #endAfterQuietTurn(latestMs: number): void {
    const arrivals = this.#arrivals
    setImmediate(() => {
      if (this.#arrivals > arrivals && performance.now() < latestMs) this.#endAfterQuietTurn(latestMs)
      else {
        this.#isEnding = false
        this.#beginAll()
      }
    })
  }

  #beginAll(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const begin of waiting) begin()
  }
}
