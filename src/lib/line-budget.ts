/** Limits log lines in a time, and counts the suppressed ones. */
export class LineBudget {
  readonly #limit: number
  readonly #now: () => number
  readonly #windowMs: number
  #windowEndMs = 0
  #written = 0
  #suppressed = 0

  /**
   * @param limit lines in each window
   * @param now a monotonic clock, in ms
   */
  constructor(limit: number, now: () => number, windowMs = 1_000) {
    this.#limit = limit
    this.#now = now
    this.#windowMs = windowMs
  }

  /** The number of lines suppressed before this one; `undefined` if this one is suppressed too. */
  take(): number | undefined {
    const now = this.#now()
    if (now >= this.#windowEndMs) {
      this.#windowEndMs = now + this.#windowMs
      this.#written = 0
    }
    if (this.#written >= this.#limit) {
      this.#suppressed++
      return undefined
    }
    this.#written++
    const suppressed = this.#suppressed
    this.#suppressed = 0
    return suppressed
  }
}
