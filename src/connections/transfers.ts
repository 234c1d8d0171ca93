/** The minimum average speed of a transfer. */
const MIN_BYTES_PER_MS = 4.096

/**
 * Unfinished transfers. Each has time up to a limit. Bytes extend it by the time that they take at the minimum speed, never beyond the
 * limit. So an initial burst, which may only fill buffers, excuses no later stall.
 */
export class Transfers {
  readonly #limitMs: number
  readonly #open = new WeakMap<object, { readonly atByte: number; readonly endMs: number }>()

  constructor(limitMs: number) {
    this.#limitMs = limitMs
  }

  /**
   * The time left for more bytes, in ms; 0 or less if the transfer is too slow.
   * @param byte bytes transferred so far
   */
  leftMs(transfer: object, byte: number, nowMs: number): number {
    const latestMs = nowMs + this.#limitMs
    const { atByte, endMs } = this.#open.get(transfer) ?? { atByte: byte, endMs: latestMs }
    const extendedMs = Math.min(endMs + (byte - atByte) / MIN_BYTES_PER_MS, latestMs)
    this.#open.set(transfer, { atByte: byte, endMs: extendedMs })
    return extendedMs - nowMs
  }

  end(transfer: object): void {
    this.#open.delete(transfer)
  }
}
