import { WaitingItems } from './waiting-items.ts'

export interface Weighed {
  /** What it costs the store, in checks by one limit. */
  readonly weight: number
  /** It came with many others, which others must not wait for. */
  readonly isOfMany: boolean
}

/** Items that wait, in batches. Those that came with many others wait apart, and while both kinds wait, their batches alternate. */
export class AlternatingItems<Item extends Weighed> {
  readonly #few: WaitingItems<Item>
  readonly #many: WaitingItems<Item>
  /** Which of the two the last batch was of. */
  #last: WaitingItems<Item>

  /** @param maxBatch the weight of the items in one batch */
  constructor(maxBatch: number) {
    this.#few = new WaitingItems(maxBatch)
    this.#many = new WaitingItems(maxBatch)
    this.#last = this.#many
  }

  get count(): number {
    return this.#few.count + this.#many.count
  }

  add(item: Item): void {
    const items = item.isOfMany ? this.#many : this.#few
    items.add(item, item.weight)
  }

  /** Removes the items of the next batch. */
  take(): readonly Item[] {
    const [next, other] = this.#last === this.#few ? [this.#many, this.#few] : [this.#few, this.#many]
    this.#last = next.count > 0 ? next : other
    return this.#last.take()
  }

  takeAll(): readonly Item[] {
    return [...this.#few.takeAll(), ...this.#many.takeAll()]
  }
}
