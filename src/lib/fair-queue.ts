/** A queue in which clients take turns: however many items one client has, it delays an item of another by one. */
export class FairQueue<T> {
  /** The items of each waiting client, in the order of their turns. */
  readonly #itemsByClient = new Map<string, Set<T>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  add(client: string, item: T): void {
    const items = this.#itemsByClient.get(client) ?? new Set()
    if (items.size === 0) this.#itemsByClient.set(client, items)
    items.add(item)
    this.#size++
  }

  /** Removes an item, if it is still there. */
  delete(client: string, item: T): void {
    const items = this.#itemsByClient.get(client)
    if (!items?.delete(item)) return
    this.#size--
    if (items.size === 0) this.#itemsByClient.delete(client)
  }

  /** Removes the oldest item of the client whose turn it is. */
  take(): T | undefined {
    for (const [client, items] of this.#itemsByClient) {
      for (const item of items) {
        this.delete(client, item)
        this.#toTheEnd(client, items)
        return item
      }
    }
    return undefined
  }

  /** Removes the newest item of the client that has the most. */
  dropFromLongest(): T | undefined {
    let [longest, most] = ['', new Set<T>()]
    for (const [client, items] of this.#itemsByClient) if (items.size > most.size) [longest, most] = [client, items]
    const newest = [...most].at(-1)
    if (newest !== undefined) this.delete(longest, newest)
    return newest
  }

  #toTheEnd(client: string, items: Set<T>): void {
    this.#itemsByClient.delete(client)
    if (items.size > 0) this.#itemsByClient.set(client, items)
  }
}
