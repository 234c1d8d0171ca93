import { type Batched, Batcher } from './batcher.ts'
import { type KeyStore, UNFINISHED, type Unfinished } from './ports.ts'

/** Receives the reply of the store, or `undefined` if the store is unavailable or does not answer in time. */
export type OnReply<Reply> = (reply: Reply | undefined) => void

interface PendingCall<Item, Reply> extends Batched {
  readonly deadlineMs: number
  readonly item: Item
  readonly onReply: OnReply<Reply>
}

interface BatchedCallsOptions<Item, Reply> {
  /** Asks the store. Returns one reply for each item; `undefined`, or a rejection, where the store is unavailable. */
  call(store: KeyStore, items: readonly Item[]): Promise<readonly (Reply | Unfinished | undefined)[]>
  /** The part of the store that holds what the item is about. */
  storeOf(item: Item): KeyStore
  /** What the item costs the store, in checks by one limit. */
  weightOf(item: Item): number
  readonly timeoutMs: number
  /** The weight of the items in one call. */
  readonly maxBatch: number
}

/** Calls of one kind. Those of one turn of the event loop go out as one call for each part of the store. */
export class BatchedCalls<Item, Reply> {
  readonly #options: BatchedCallsOptions<Item, Reply>
  readonly #batchers = new WeakMap<KeyStore, Batcher<PendingCall<Item, Reply>, Reply | Unfinished>>()

  constructor(options: BatchedCallsOptions<Item, Reply>) {
    this.#options = options
  }

  /** Calls back later, never at once. */
  ask(item: Item, onReply: OnReply<Reply>): void {
    const startMs = performance.now()
    const deadlineMs = startMs + this.#options.timeoutMs
    const weight = this.#options.weightOf(item)
    this.#enqueue({ item, weight, onReply, startMs, deadlineMs, isOfMany: false, isAnswered: false })
  }

  #enqueue(pending: PendingCall<Item, Reply>): void {
    this.#batcherOf(this.#options.storeOf(pending.item)).enqueue(pending)
  }

  #batcherOf(store: KeyStore): Batcher<PendingCall<Item, Reply>, Reply | Unfinished> {
    const known = this.#batchers.get(store)
    if (known !== undefined) return known
    const { call, timeoutMs, maxBatch } = this.#options
    const batcher = new Batcher<PendingCall<Item, Reply>, Reply | Unfinished>({
      call: pending =>
        call(
          store,
          pending.map(({ item }) => item),
        ),
      timeoutMs,
      maxBatch,
      onReply: (pending, reply, nowMs) => {
        // Others get their turn in between.
        if (reply === UNFINISHED) this.#enqueue({ ...pending, startMs: nowMs, isAnswered: false })
        else pending.onReply(reply)
      },
    })
    this.#batchers.set(store, batcher)
    return batcher
  }
}
