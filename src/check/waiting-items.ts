/** What waits for a call of the store, in order of arrival. */
export class WaitingItems<Item> {
  readonly #maxBatch: number
  /** All but the last are full, or nearly. */
  readonly #batches: Item[][] = []
  /** What the last one can still take. */
  #room = 0
  #count = 0

  /** @param maxBatch the weight of the items in one call */
  constructor(maxBatch: number) {
    this.#maxBatch = maxBatch
  }

  get count(): number {
    return this.#count
  }

  add(item: Item, weight: number): void {
    if (weight > this.#room) this.#beginBatch()
    this.#batches.at(-1)?.push(item)
    this.#room -= weight
    this.#count++
  }

  #beginBatch(): void {
    this.#batches.push([])
    this.#room = this.#maxBatch
  }

  /** Removes the items of the next call. */
  take(): readonly Item[] {
    const batch = this.#batches.shift() ?? []
    this.#count -= batch.length
    if (this.#batches.length === 0) this.#room = 0
    return batch
  }

  takeAll(): readonly Item[] {
    this.#count = 0
    this.#room = 0
    return this.#batches.splice(0).flat()
  }
}
