/** A transfer must bring so much on average, over each of these periods. */
const MIN_BYTES_PER_SECOND = 4_096
const PERIOD_MS = 10_000

/** How far a transfer has got in the present period. */
export interface Transfer {
  readonly bytes: number
  readonly elapsedMs: number
}

/** Where unfinished transfers were when their present period began. */
export class Transfers {
  readonly #begun = new WeakMap<object, { readonly atMs: number; readonly atByte: number }>()

  /**
   * A first period begins now, and another one after each that brought enough: a burst at the beginning, which may have filled
   * buffers only, does not excuse a standstill.
   * @param byte how far the transfer is by now
   */
  progress(transfer: object, byte: number, nowMs: number): Transfer {
    const { atMs, atByte } = this.#begun.get(transfer) ?? { atMs: nowMs, atByte: byte }
    const progress = { bytes: byte - atByte, elapsedMs: nowMs - atMs }
    if (progress.elapsedMs >= PERIOD_MS || progress.elapsedMs === 0)
      this.#begun.set(transfer, { atMs: nowMs, atByte: byte })
    return progress
  }

  end(transfer: object): void {
    this.#begun.delete(transfer)
  }
}

export function isTooSlow({ bytes, elapsedMs }: Transfer): boolean {
  return elapsedMs >= PERIOD_MS && bytes < (MIN_BYTES_PER_SECOND * elapsedMs) / 1000
}
