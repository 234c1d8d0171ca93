import { checkQueue } from './check-queue.ts'
import type { CircuitBreakerStore } from './circuit-breaker-store.ts'
import type { CheckQueue, OnReading, PendingCheck } from './pending-check.ts'
import { Rounds } from './rounds.ts'
import type { ShardedStore } from './sharded-store.ts'

/** One queue for each shard of the store, so that a slow shard hardly delays those of another; see `Rounds`. */
export class ShardedQueue implements CheckQueue {
  readonly #store: ShardedStore
  readonly #timeoutMs: number
  readonly #onReading: OnReading
  readonly #rounds = new Rounds()
  readonly #queues = new WeakMap<CircuitBreakerStore, CheckQueue>()

  /** @param timeoutMs how long a check waits for its reading */
  constructor(store: ShardedStore, timeoutMs: number, onReading: OnReading) {
    this.#store = store
    this.#timeoutMs = timeoutMs
    this.#onReading = onReading
  }

  get waiting(): number {
    return this.#store.breakers.reduce((sum, breaker) => sum + this.#queueOf(breaker).waiting, 0)
  }

  enqueue(check: PendingCheck): void {
    this.#queueOf(this.#store.breakerFor(check.key)).enqueue(check)
  }

  #queueOf(breaker: CircuitBreakerStore): CheckQueue {
    const known = this.#queues.get(breaker)
    if (known !== undefined) return known
    const queue = checkQueue(breaker, this.#timeoutMs, this.#onReading, this.#rounds)
    this.#queues.set(breaker, queue)
    return queue
  }
}
