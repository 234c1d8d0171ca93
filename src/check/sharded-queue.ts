import { CheckBatcher } from './check-batcher.ts'
import type { CircuitBreakerStore } from './circuit-breaker-store.ts'
import type { CheckQueue, OnReading, PendingCheck } from './pending-check.ts'
import type { ShardedStore } from './sharded-store.ts'

/** One queue for each shard of the store, so that a slow shard delays no checks of another. */
export class ShardedQueue implements CheckQueue {
  readonly #store: ShardedStore
  readonly #timeoutMs: number
  readonly #onReading: OnReading
  readonly #batchers = new WeakMap<CircuitBreakerStore, CheckBatcher>()

  /** @param timeoutMs how long a check waits for its reading */
  constructor(store: ShardedStore, timeoutMs: number, onReading: OnReading) {
    this.#store = store
    this.#timeoutMs = timeoutMs
    this.#onReading = onReading
  }

  get waiting(): number {
    return this.#store.breakers.reduce((sum, breaker) => sum + this.#batcherOf(breaker).waiting, 0)
  }

  enqueue(check: PendingCheck): void {
    this.#batcherOf(this.#store.breakerFor(check.key)).enqueue(check)
  }

  #batcherOf(breaker: CircuitBreakerStore): CheckBatcher {
    const known = this.#batchers.get(breaker)
    if (known !== undefined) return known
    const batcher = new CheckBatcher(breaker, this.#timeoutMs, this.#onReading)
    this.#batchers.set(breaker, batcher)
    return batcher
  }
}
