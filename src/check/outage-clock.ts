/**
 * The first part of an outage that does not count, in ms. The store's buckets refill in that time too, and the tokens must not be
 * given twice.
 */
const GRACE_MS = 1_000

/**
 * Longest time from one failure to the next in an outage, besides the deadline of a call, in ms. Probes fail four times a second, so after a
 * longer silence, this process itself was suspended.
 */
const MAX_SILENCE_MS = 1_250

/**
 * Counts the time of outages of the store, or of one part of it, in ms. The clock is paused while it is available: it refills its own
 * buckets then, and this process's shares must not refill as well.
 */
export class OutageClock {
  readonly #now: () => number
  readonly #noticedWithinMs: number
  #elapsedMs = 0
  #startedAtMs: number | undefined
  /** When the store failed for the last time. */
  #failedAtMs = 0

  /**
   * @param now a monotonic clock, in ms
   * @param noticedWithinMs how long after a check without an answer its failure is noticed at the latest, in ms
   */
  constructor(now: () => number, noticedWithinMs: number) {
    this.#now = now
    this.#noticedWithinMs = noticedWithinMs
  }

  get isRunning(): boolean {
    return this.#startedAtMs !== undefined
  }

  /** The store has failed: starts an outage, unless one has started already. */
  failed(): void {
    const nowMs = this.#now()
    this.#startedAtMs = nowMs - this.#sinceStartMs
    this.#failedAtMs = nowMs
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

  /** Without the time in which this process was suspended. */
  get #sinceStartMs(): number {
    if (this.#startedAtMs === undefined) return 0
    return Math.min(this.#now(), this.#failedAtMs + this.#noticedWithinMs + MAX_SILENCE_MS) - this.#startedAtMs
  }
}
