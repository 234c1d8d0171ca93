import { Heap, type HeapItem } from '../lib/heap.ts'

/** Ends what is held, which then holds nothing. */
type Lose = () => void

/** What one client holds. */
interface Holding extends HeapItem {
  readonly client: string
  amount: number
  /** The amount of each; the oldest first. */
  readonly items: Map<Lose, number>
}

/**
 * What all clients of a process hold together, in bytes or requests. Beyond the bound, the client that holds the most loses its oldest:
 * a well-behaved client has ended its own long before. So no client can make another lose anything, unless that holds more.
 */
export class SharedBound {
  readonly #max: number
  readonly #byClient = new Map<string, Holding>()
  /** The client that holds the most comes first. */
  readonly #holdings = new Heap<Holding>((a, b) => a.amount > b.amount)
  #total = 0

  constructor(max: number) {
    this.#max = max
  }

  /** Records what is held now. */
  hold(client: string, lose: Lose, amount: number): void {
    this.#set(client, lose, amount)
    this.#makeRoom()
  }

  /** The same for many at once, the oldest first. */
  holdAll(held: Iterable<readonly [client: string, lose: Lose, amount: number]>): void {
    for (const [client, lose, amount] of held) this.#set(client, lose, amount)
    this.#makeRoom()
  }

  /** As `hold`, except that a client that itself holds the most loses this one: so a flood ends before it costs more. */
  holdOrLose(client: string, lose: Lose, amount: number): void {
    this.#set(client, lose, amount)
    if (this.#total > this.#max && this.#isLargest(client)) this.#end(client, lose)
    this.#makeRoom()
  }

  /** What was held has ended. */
  release(client: string, lose: Lose): void {
    this.#set(client, lose, 0)
  }

  #set(client: string, lose: Lose, amount: number): void {
    const holding = this.#byClient.get(client) ?? { client, amount: 0, items: new Map<Lose, number>(), heapIndex: 0 }
    const added = amount - (holding.items.get(lose) ?? 0)
    if (added === 0) return
    if (holding.items.size > 0) this.#holdings.remove(holding)
    holding.amount += added
    this.#total += added
    if (amount === 0) holding.items.delete(lose)
    else holding.items.set(lose, amount)
    if (holding.items.size === 0) this.#byClient.delete(client)
    else {
      this.#byClient.set(client, holding)
      this.#holdings.add(holding)
    }
  }

  #isLargest(client: string): boolean {
    const own = this.#byClient.get(client)?.amount ?? 0
    return own >= (this.#holdings.first?.amount ?? 0)
  }

  #makeRoom(): void {
    while (this.#total > this.#max) {
      const most = this.#holdings.first
      if (most === undefined) return
      const [oldest] = most.items.keys()
      if (oldest !== undefined) this.#end(most.client, oldest)
    }
  }

  #end(client: string, lose: Lose): void {
    this.release(client, lose)
    lose()
  }
}
