/**
 * An outage that is shorter than this does not count, in ms: what the store refills meanwhile is there when it has recovered, and
 * must not be given by the processes as well.
 */
const GRACE_MS = 1_000

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
    return this.#elapsedMs + Math.max(0, this.#sinceStartMs - GRACE_MS)
  }

  /** How long the clock still stands still in an outage that has just begun. */
  get refillPausedMs(): number {
    return this.#startedAtMs === undefined ? 0 : Math.max(0, GRACE_MS - this.#sinceStartMs)
  }

  get #sinceStartMs(): number {
    return this.#startedAtMs === undefined ? 0 : this.#now() - this.#startedAtMs
  }
}
