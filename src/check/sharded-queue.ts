import { type Answered, CheckBatcher, type CheckQueue, type WaitingCheck } from './check-batcher.ts'
import type { GuardedStore } from './circuit-breaker-store.ts'
import type { ShardedStore } from './sharded-store.ts'

/** Checks wait for each part of the store by themselves, so that one that is slow holds up none that ask another. */
export class ShardedQueue<Check extends WaitingCheck> implements CheckQueue<Check> {
  readonly #store: ShardedStore
  readonly #timeoutMs: number
  readonly #answered: Answered<Check>
  readonly #batchers = new WeakMap<GuardedStore, CheckBatcher<Check>>()

  /** @param timeoutMs how long a check may wait for its answer */
  constructor(store: ShardedStore, timeoutMs: number, answered: Answered<Check>) {
    this.#store = store
    this.#timeoutMs = timeoutMs
    this.#answered = answered
  }

  get waiting(): number {
    return this.#store.guards.reduce((sum, guard) => sum + this.#batcherOf(guard).waiting, 0)
  }

  enqueue(check: Check): void {
    this.#batcherOf(this.#store.guardFor(check.key)).enqueue(check)
  }

  #batcherOf(guard: GuardedStore): CheckBatcher<Check> {
    const known = this.#batchers.get(guard)
    if (known !== undefined) return known
    const batcher = new CheckBatcher<Check>(guard, this.#timeoutMs, this.#answered)
    this.#batchers.set(guard, batcher)
    return batcher
  }
}
