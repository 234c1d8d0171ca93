/** A transfer must not be slower than this, after a grace period from when it was first found unfinished. */
const GRACE_MS = 10_000
const MIN_BYTES_PER_SECOND = 4_096

/** How far a transfer has got since it was first found unfinished. */
export interface Transfer {
  readonly bytes: number
  readonly elapsedMs: number
}

/** When transfers were first found unfinished, and at which byte. */
export class Transfers {
  readonly #begun = new WeakMap<object, { readonly atMs: number; readonly atByte: number }>()

  /** @param byte how far it is by now */
  progress(transfer: object, byte: number, nowMs: number): Transfer {
    const begun = this.#begun.get(transfer) ?? { atMs: nowMs, atByte: byte }
    this.#begun.set(transfer, begun)
    return { bytes: byte - begun.atByte, elapsedMs: nowMs - begun.atMs }
  }

  end(transfer: object): void {
    this.#begun.delete(transfer)
  }
}

export function isTooSlow({ bytes, elapsedMs }: Transfer): boolean {
  return elapsedMs > GRACE_MS + (bytes / MIN_BYTES_PER_SECOND) * 1000
}
