const WINDOW_MS = 1_000

/** Allows so many lines a second, and remembers how many it did not. */
export class LineBudget {
  readonly #limit: number
  readonly #now: () => number
  #windowEndMs = 0
  #written = 0
  #leftOut = 0

  /** @param now a monotonic clock, ms */
  constructor(limit: number, now: () => number) {
    this.#limit = limit
    this.#now = now
  }

  /** How many lines were left out before this one; `undefined` when this one is to be left out too. */
  take(): number | undefined {
    const now = this.#now()
    if (now >= this.#windowEndMs) {
      this.#windowEndMs = now + WINDOW_MS
      this.#written = 0
    }
    if (this.#written >= this.#limit) {
      this.#leftOut++
      return undefined
    }
    this.#written++
    const leftOut = this.#leftOut
    this.#leftOut = 0
    return leftOut
  }
}
