/**
 * A set of few items, in no order, that come and go. A `Set` or `Map` would leave garbage behind: V8 links each table that it outgrows to
 * the next one. Once one of them is in the old generation, all later ones, with the items that were in them, stay in memory until the old
 * generation is collected, which takes the longer. Items are looked for from the last to the first, since most go soon after they came.
 */
export class FewItems<Item> {
  readonly #items: Item[] = []

  get size(): number {
    return this.#items.length
  }

  /** @param item one that is not in the set */
  add(item: Item): void {
    this.#items.push(item)
  }

  delete(item: Item): boolean {
    const index = this.#items.lastIndexOf(item)
    if (index < 0) return false
    const last = this.#items.pop() as Item
    if (index < this.#items.length) this.#items[index] = last
    return true
  }

  findLast(holds: (item: Item) => boolean): Item | undefined {
    return this.#items.findLast(holds)
  }

  /** The items of this moment: the set may change meanwhile. */
  [Symbol.iterator](): IterableIterator<Item> {
    return [...this.#items].values()
  }
}
