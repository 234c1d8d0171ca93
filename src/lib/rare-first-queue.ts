import { FairQueue } from './fair-queue.ts'
import { RecentClients } from './recent-clients.ts'

/** A client is rare once it has added nothing for this long, in ms. */
const RARE_AFTER_MS = 10_000

/**
 * A queue in which clients take turns, and the item of a rare client comes before those of clients that add items all the time. So a rare
 * client does not wait for all the clients that keep the queue full. While both kinds wait, they alternate: a flood that comes from one new
 * client after another does not stop the others.
 * @see https://www.rfc-editor.org/rfc/rfc8290#section-4.2, on the new and the old queues of FQ-CoDel
 */
export class RareFirstQueue<T> {
  readonly #rare = new FairQueue<T>()
  readonly #frequent = new FairQueue<T>()
  readonly #recent = new RecentClients(RARE_AFTER_MS)
  #lastWasRare = false

  get size(): number {
    return this.#rare.weight + this.#frequent.weight
  }

  add(client: string, item: T, nowMs: number): void {
    const queue = this.#recent.has(client, nowMs) ? this.#frequent : this.#rare
    this.#recent.forget(nowMs)
    this.#recent.add(client, nowMs)
    queue.add(client, item)
  }

  /** Removes an item, if it is still there. */
  delete(client: string, item: T): void {
    this.#rare.delete(client, item)
    this.#frequent.delete(client, item)
  }

  /** Removes the next item. */
  take(): T | undefined {
    this.#lastWasRare = this.#rare.weight > 0 && !(this.#lastWasRare && this.#frequent.weight > 0)
    return this.#lastWasRare ? this.#rare.take() : this.#frequent.take()
  }

  /** Removes all items. */
  *takeAll(): Generator<T> {
    yield* this.#rare.takeAll()
    yield* this.#frequent.takeAll()
  }
}
