/** The items of a client that waits. */
interface Waiting<T> {
  readonly items: Set<T>
  weight: number
}

/** A queue in which clients take turns: however many items one client has, it delays an item of another by one. */
export class FairQueue<T> {
  readonly #weightOf: (item: T) => number
  /** Each waiting client, in the order of their turns. */
  readonly #clients = new Map<string, Waiting<T>>()
  #weight = 0

  /** @param weightOf what an item counts, more than 0; by default, each counts 1 */
  constructor(weightOf: (item: T) => number = () => 1) {
    this.#weightOf = weightOf
  }

  /** The weight of all items. */
  get weight(): number {
    return this.#weight
  }

  add(client: string, item: T): void {
    const waiting = this.#clients.get(client) ?? { items: new Set(), weight: 0 }
    if (waiting.items.size === 0) this.#clients.set(client, waiting)
    waiting.items.add(item)
    this.#count(waiting, this.#weightOf(item))
  }

  /** Removes an item, if it is still there. */
  delete(client: string, item: T): void {
    const waiting = this.#clients.get(client)
    if (!waiting?.items.delete(item)) return
    this.#count(waiting, -this.#weightOf(item))
    if (waiting.items.size === 0) this.#clients.delete(client)
  }

  /** Removes the oldest item of the client whose turn it is. */
  take(): T | undefined {
    for (const [client, waiting] of this.#clients) {
      for (const item of waiting.items) {
        this.delete(client, item)
        this.#toTheEnd(client, waiting)
        return item
      }
    }
    return undefined
  }

  /** Removes all items, in their order. */
  *takeAll(): Generator<T> {
    for (let item = this.take(); item !== undefined; item = this.take()) yield item
  }

  /** Removes the newest item of the client whose items weigh the most. */
  dropFromLongest(): readonly [client: string, item: T] | undefined {
    let longest: [client: string, waiting: Waiting<T>] | undefined
    for (const entry of this.#clients) if (entry[1].weight > (longest?.[1].weight ?? 0)) longest = entry
    if (longest === undefined) return undefined
    const [client, { items }] = longest
    const newest = [...items].at(-1)
    if (newest === undefined) return undefined
    this.delete(client, newest)
    return [client, newest]
  }

  #count(waiting: Waiting<T>, weight: number): void {
    waiting.weight += weight
    this.#weight += weight
  }

  #toTheEnd(client: string, waiting: Waiting<T>): void {
    this.#clients.delete(client)
    if (waiting.items.size > 0) this.#clients.set(client, waiting)
  }
}
