import { type Batched, Batcher } from './batcher.ts'
import type { KeyStore } from './ports.ts'

/** Receives the reply of the store, or `undefined` if the store is unavailable or does not answer in time. */
export type OnReply<Reply> = (reply: Reply | undefined) => void

interface PendingCall<Item, Reply> extends Batched {
  readonly item: Item
  readonly onReply: OnReply<Reply>
}

interface BatchedCallsOptions<Item, Reply> {
  /** Asks the store. Returns one reply for each item; `undefined`, or a rejection, where the store is unavailable. */
  call(store: KeyStore, items: readonly Item[]): Promise<readonly (Reply | undefined)[]>
  /** The part of the store that holds what the item is about. */
  storeOf(item: Item): KeyStore
  readonly timeoutMs: number
  /** Items in one call. */
  readonly maxBatch: number
}

/** Calls of one kind. Those of one turn of the event loop go out as one call for each part of the store. */
export class BatchedCalls<Item, Reply> {
  readonly #options: BatchedCallsOptions<Item, Reply>
  readonly #batchers = new WeakMap<KeyStore, Batcher<PendingCall<Item, Reply>, Reply>>()

  constructor(options: BatchedCallsOptions<Item, Reply>) {
    this.#options = options
  }

  /** Calls back later, never at once. */
  ask(item: Item, onReply: OnReply<Reply>): void {
    const startMs = performance.now()
    const batcher = this.#batcherOf(this.#options.storeOf(item))
    batcher.enqueue({ item, onReply, startMs, isOfMany: false, isAnswered: false })
  }

  #batcherOf(store: KeyStore): Batcher<PendingCall<Item, Reply>, Reply> {
    const known = this.#batchers.get(store)
    if (known !== undefined) return known
    const { call, timeoutMs, maxBatch } = this.#options
    const batcher = new Batcher<PendingCall<Item, Reply>, Reply>({
      call: pending =>
        call(
          store,
          pending.map(({ item }) => item),
        ),
      timeoutMs,
      maxBatch,
      onReply: ({ onReply }, reply) => onReply(reply),
    })
    this.#batchers.set(store, batcher)
    return batcher
  }
}
