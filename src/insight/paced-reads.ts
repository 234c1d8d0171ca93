import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

/** The pace of all reads: they take up to a tenth of a process's time, and checks have the rest. */
const ROWS_PER_MS = 200

/** Work that a rest allows at once, in ms of the pace: a read of few rows does not wait. */
const BURST_MS = 10

/**
 * Reads of many rows of a store. One runs at a time, in its order. It asks for each of its parts, which it gets in a later turn of the
 * event loop, at a pace.
 */
export class PacedReads {
  readonly #closing: AbortSignal
  #last: Promise<unknown> = Promise.resolve()
  /** When the pace allows the next part, by `performance.now()`. */
  #dueMs = 0

  /** @param closing aborts when the process is about to close; no part waits then, since it would delay the stop */
  constructor(closing: AbortSignal) {
    this.#closing = closing
  }

  run<T>(read: () => Promise<T>): Promise<T> {
    const result = this.#last.then(read)
    this.#last = result.catch(() => undefined)
    return result
  }

  /** Resolves when so many rows may be handled. */
  async nextPart(rows: number): Promise<void> {
    const waitMs = this.#dueMs - performance.now()
    if (waitMs > 0 && !this.#closing.aborted) await sleep(waitMs)
    else await nextTurn()
    this.#dueMs = Math.max(this.#dueMs, performance.now() - BURST_MS) + rows / ROWS_PER_MS
  }
}
