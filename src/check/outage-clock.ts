/**
 * The first part of an outage that does not count, in ms. The store's buckets refill in that time too, and the tokens must not be
 * given twice.
 */
const GRACE_MS = 1_000

/**
 * Counts the time of outages of the store, or of one part of it, in ms. The clock is paused while it is available: it refills its own
 * buckets then, and this process's shares must not refill as well.
 */
export class OutageClock {
  readonly #now: () => number
  readonly #noticedWithinMs: number
  #elapsedMs = 0
  #startedAtMs: number | undefined

  /**
   * @param now a monotonic clock, in ms
   * @param noticedWithinMs how long after the first check without an answer an outage starts at the latest, in ms
   */
  constructor(now: () => number, noticedWithinMs: number) {
    this.#now = now
    this.#noticedWithinMs = noticedWithinMs
  }

  /** Starts an outage, unless one has started already. */
  start(): void {
    this.#startedAtMs ??= this.#now()
  }

  /** Ends the outage. */
  stop(): void {
    this.#elapsedMs = this.elapsedMs
    this.#startedAtMs = undefined
  }

  get elapsedMs(): number {
    return this.#elapsedMs + Math.max(0, this.#sinceStartMs - GRACE_MS)
  }

  /** How long the clock is still paused in an outage that has just started, or is about to, in ms. */
  get refillPausedMs(): number {
    if (this.#startedAtMs === undefined) return this.#noticedWithinMs + GRACE_MS
    return Math.max(0, GRACE_MS - this.#sinceStartMs)
  }

  get #sinceStartMs(): number {
    return this.#startedAtMs === undefined ? 0 : this.#now() - this.#startedAtMs
  }
}
