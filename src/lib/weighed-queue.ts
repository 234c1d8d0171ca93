import { FairQueue } from './fair-queue.ts'
import { FairShares } from './fair-shares.ts'

interface Measures<T> {
  /** What an item uses once it is taken. */
  costOf(item: T): number
  /** What an item counts while it waits, more than 0. */
  sizeOf(item: T): number
  /** How much less than the others a client can have used when it begins to wait. */
  readonly tolerance: number
}

/** A queue in which clients have equal shares of what its items cost: an item that costs little does not wait for many that cost much. */
export class WeighedQueue<T> {
  readonly #measures: Measures<T>
  /** Absent while nobody waits: then, what clients have used does not matter. */
  #shares: FairShares<T> | undefined
  /** The same items. It knows who has the most. */
  readonly #sizes: FairQueue<T>

  constructor(measures: Measures<T>) {
    this.#measures = measures
    this.#sizes = new FairQueue(measures.sizeOf)
  }

  /** The size of all items. */
  get size(): number {
    return this.#sizes.weight
  }

  add(client: string, item: T): void {
    this.#shares ??= new FairShares(this.#measures.tolerance)
    this.#shares.add(client, item)
    this.#sizes.add(client, item)
  }

  /** Removes an item, if it is still there. */
  delete(client: string, item: T): void {
    this.#shares?.delete(client, item)
    this.#sizes.delete(client, item)
    this.#forgetIfEmpty()
  }

  /** Removes the oldest item of the client that has used the least. */
  take(): T | undefined {
    const [client, item] = this.#shares?.take() ?? []
    if (client === undefined || item === undefined) return undefined
    this.#shares?.charge(client, this.#measures.costOf(item))
    this.#sizes.delete(client, item)
    this.#forgetIfEmpty()
    return item
  }

  /** Removes all items, in their order. */
  *takeAll(): Generator<T> {
    for (let item = this.take(); item !== undefined; item = this.take()) yield item
  }

  /** Removes the newest item of the client whose items have the largest size together. */
  dropFromLargest(): T | undefined {
    const [client, item] = this.#sizes.dropFromLongest() ?? []
    if (client === undefined || item === undefined) return undefined
    this.#shares?.delete(client, item)
    this.#forgetIfEmpty()
    return item
  }

  #forgetIfEmpty(): void {
    if (this.size === 0) this.#shares = undefined
  }
}
