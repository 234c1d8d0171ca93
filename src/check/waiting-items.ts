/** What waits for a call of the store, in order of arrival. */
export class WaitingItems<Item> {
  readonly #maxBatch: number
  /** All but the last are full. */
  readonly #batches: Item[][] = []
  #count = 0

  /** @param maxBatch items in one call */
  constructor(maxBatch: number) {
    this.#maxBatch = maxBatch
  }

  get count(): number {
    return this.#count
  }

  add(item: Item): void {
    const last = this.#batches.at(-1)
    if (last === undefined || last.length === this.#maxBatch) this.#batches.push([item])
    else last.push(item)
    this.#count++
  }

  /** Removes the items of the next call. */
  take(): readonly Item[] {
    const batch = this.#batches.shift() ?? []
    this.#count -= batch.length
    return batch
  }

  takeAll(): readonly Item[] {
    this.#count = 0
    return this.#batches.splice(0).flat()
  }
}
