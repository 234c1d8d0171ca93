/**
 * Counts the time for which the store was unavailable, in ms. While the store is available the clock stands still: the store
 * refills its own buckets then, and what this process lends from its shares must not refill a second time.
 */
export class OutageClock {
  readonly #now: () => number
  #elapsedMs = 0
  #startedAtMs: number | undefined

  /** @param now a monotonic clock, ms */
  constructor(now: () => number) {
    this.#now = now
  }

  /** The store became unavailable, if it was not already. */
  start(): void {
    this.#startedAtMs ??= this.#now()
  }

  /** The store is available again. */
  stop(): void {
    this.#elapsedMs = this.elapsedMs
    this.#startedAtMs = undefined
  }

  get elapsedMs(): number {
    return this.#elapsedMs + (this.#startedAtMs === undefined ? 0 : this.#now() - this.#startedAtMs)
  }
}
