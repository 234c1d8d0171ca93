import { Heap, type HeapItem } from './heap.ts'

/** How many clients that do not wait are remembered. Of more, those that have used the least are forgotten, which gives them little. */
const MAX_RESTING = 10_000

/** How many clients are forgotten at a time. When the clock moves far, it passes many at once. */
const FORGOTTEN_AT_ONCE = 100

/** What a client has used, and what it waits for. */
interface Account<T> extends HeapItem {
  readonly client: string
  /** The next one first. */
  readonly items: Set<T>
  used: number
  /** What was used when the account got its place in a heap. */
  place: number
  /** The order of placements, so that equals take turns. */
  placedAt: number
}

/**
 * A queue in which the client comes next that has used the least. What an item uses is known only afterwards, so it is charged then.
 * Clients that wait all the time use the same in the long run, however much each of their items uses. One that has not waited for some
 * time cannot catch up on everything: it begins a little behind the others.
 * @see Goyal, Vin and Cheng (1996), "Start-time fair queuing", where `#clock` is the virtual time
 */
export class FairShares<T> {
  readonly #tolerance: number
  readonly #accounts = new Map<string, Account<T>>()
  /** The accounts with items. */
  readonly #waiting = new Heap<Account<T>>(isBefore)
  /** The others, until the clock has passed them. */
  readonly #resting = new Heap<Account<T>>(isBefore)
  /** The most that a client had used when an item of it was taken. */
  #clock = 0
  #size = 0
  #placements = 0

  /** @param tolerance how much less than the others a client can have used when it begins to wait */
  constructor(tolerance: number) {
    this.#tolerance = tolerance
  }

  /** The number of items that wait. */
  get size(): number {
    return this.#size
  }

  add(client: string, item: T): void {
    const account = this.#accountOf(client)
    if (account.items.size === 0) {
      account.used = Math.max(account.used, this.#start)
      this.#move(account, this.#resting, this.#waiting)
    }
    account.items.add(item)
    this.#size++
  }

  /** Removes an item, if it is still there. */
  delete(client: string, item: T): void {
    const account = this.#accounts.get(client)
    if (account?.items.delete(item)) this.#removed(account)
  }

  /** Removes the oldest item of the client that has used the least. */
  take(): readonly [client: string, item: T] | undefined {
    const account = this.#next(this.#waiting)
    if (account === undefined) return undefined
    this.#clock = Math.max(this.#clock, account.used)
    const [item] = account.items as Set<T> & Iterable<T>
    account.items.delete(item as T)
    // Behind those that have used as much.
    this.#replace(account, this.#waiting)
    this.#removed(account)
    this.#forget()
    return [account.client, item as T]
  }

  /** A client has used something. @param amount less than 0 if it was charged too much before */
  charge(client: string, amount: number): void {
    const account = this.#accountOf(client)
    account.used += amount
    if (amount < 0) this.#replace(account, account.items.size > 0 ? this.#waiting : this.#resting)
  }

  get #start(): number {
    return this.#clock - this.#tolerance
  }

  #accountOf(client: string): Account<T> {
    const known = this.#accounts.get(client)
    if (known !== undefined) return known
    const account = { client, items: new Set<T>(), used: this.#start, place: 0, placedAt: 0, heapIndex: 0 }
    this.#accounts.set(client, account)
    this.#place(account, this.#resting)
    return account
  }

  #removed(account: Account<T>): void {
    this.#size--
    if (account.items.size === 0) this.#move(account, this.#waiting, this.#resting)
  }

  /** Forgets the clients that would begin no earlier if they were remembered, and some if there are too many. */
  #forget(): void {
    for (let i = 0; i < FORGOTTEN_AT_ONCE; i++) {
      const account = this.#next(this.#resting)
      if (account === undefined || (account.used > this.#start && this.#resting.size <= MAX_RESTING)) return
      this.#resting.remove(account)
      this.#accounts.delete(account.client)
    }
  }

  #move(account: Account<T>, from: Heap<Account<T>>, to: Heap<Account<T>>): void {
    from.remove(account)
    this.#place(account, to)
  }

  #replace(account: Account<T>, heap: Heap<Account<T>>): void {
    this.#move(account, heap, heap)
  }

  #place(account: Account<T>, heap: Heap<Account<T>>): void {
    account.place = account.used
    account.placedAt = this.#placements++
    heap.add(account)
  }

  /** The account that has used the least. Those that were charged get their new place once they come to the front. */
  #next(heap: Heap<Account<T>>): Account<T> | undefined {
    for (;;) {
      const account = heap.first
      if (account === undefined || account.place === account.used) return account
      this.#replace(account, heap)
    }
  }
}

function isBefore<T>(a: Account<T>, b: Account<T>): boolean {
  return a.place < b.place || (a.place === b.place && a.placedAt < b.placedAt)
}
