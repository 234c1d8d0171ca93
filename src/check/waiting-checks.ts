import type { PendingCheck } from './pending-check.ts'

/** Checks that wait for a call of the store, in order of arrival. */
export class WaitingChecks {
  readonly #maxBatch: number
  /** All but the last are full. */
  readonly #batches: PendingCheck[][] = []
  #count = 0

  /** @param maxBatch checks in one call */
  constructor(maxBatch: number) {
    this.#maxBatch = maxBatch
  }

  get count(): number {
    return this.#count
  }

  add(check: PendingCheck): void {
    const last = this.#batches.at(-1)
    if (last === undefined || last.length === this.#maxBatch) this.#batches.push([check])
    else last.push(check)
    this.#count++
  }

  /** Removes the checks of the next call. */
  take(): readonly PendingCheck[] {
    const batch = this.#batches.shift() ?? []
    this.#count -= batch.length
    return batch
  }

  takeAll(): readonly PendingCheck[] {
    this.#count = 0
    return this.#batches.splice(0).flat()
  }
}
