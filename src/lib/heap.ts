/** An item of a heap. It knows its place, so it can be removed without a search. */
export interface HeapItem {
  /** Kept by the heap that holds the item. */
  heapIndex: number
}

/** A binary heap. The first item of its order is at hand; adding and removing take a number of steps that is logarithmic in the size. */
export class Heap<Item extends HeapItem> {
  readonly #items: Item[] = []
  readonly #isBefore: (a: Item, b: Item) => boolean

  constructor(isBefore: (a: Item, b: Item) => boolean) {
    this.#isBefore = isBefore
  }

  get size(): number {
    return this.#items.length
  }

  get first(): Item | undefined {
    return this.#items[0]
  }

  add(item: Item): void {
    this.#place(item, this.#items.length)
    this.#rise(item)
  }

  /** @param item one that this heap holds */
  remove(item: Item): void {
    const last = this.#items.pop()
    if (last === undefined || last === item) return
    this.#place(last, item.heapIndex)
    this.#rise(last)
    this.#sink(last)
  }

  #rise(item: Item): void {
    for (;;) {
      const parent = this.#items[(item.heapIndex - 1) >> 1]
      if (parent === undefined || !this.#isBefore(item, parent)) return
      this.#swap(item, parent)
    }
  }

  #sink(item: Item): void {
    for (;;) {
      const child = this.#firstChild(item.heapIndex)
      if (child === undefined || !this.#isBefore(child, item)) return
      this.#swap(item, child)
    }
  }

  #firstChild(index: number): Item | undefined {
    const left = this.#items[2 * index + 1]
    const right = this.#items[2 * index + 2]
    return left !== undefined && right !== undefined && this.#isBefore(right, left) ? right : left
  }

  #swap(a: Item, b: Item): void {
    const index = a.heapIndex
    this.#place(a, b.heapIndex)
    this.#place(b, index)
  }

  #place(item: Item, index: number): void {
    this.#items[index] = item
    item.heapIndex = index
  }
}
