/** The minimum average speed of a transfer, over each period. */
const MIN_BYTES_PER_SECOND = 4_096

/** The progress of a transfer in its present period. */
export interface Transfer {
  readonly bytes: number
  readonly elapsedMs: number
}

/** Unfinished transfers, with their progress at the start of the present period. */
export class Transfers {
  readonly #periodMs: number
  readonly #begun = new WeakMap<object, { readonly atMs: number; readonly atByte: number }>()

  constructor(periodMs = 10_000) {
    this.#periodMs = periodMs
  }

  /**
   * Starts a period, now and after each one that was fast enough. So an initial burst, which may only fill buffers, does not excuse
   * a later stall.
   * @param byte bytes transferred so far
   */
  progress(transfer: object, byte: number, nowMs: number): Transfer {
    const { atMs, atByte } = this.#begun.get(transfer) ?? { atMs: nowMs, atByte: byte }
    const progress = { bytes: byte - atByte, elapsedMs: nowMs - atMs }
    if (progress.elapsedMs >= this.#periodMs || progress.elapsedMs === 0)
      this.#begun.set(transfer, { atMs: nowMs, atByte: byte })
    return progress
  }

  end(transfer: object): void {
    this.#begun.delete(transfer)
  }

  isTooSlow({ bytes, elapsedMs }: Transfer): boolean {
    return elapsedMs >= this.#periodMs && bytes < (MIN_BYTES_PER_SECOND * elapsedMs) / 1000
  }
}
