import type { ReservationId } from '../domain/reservation-id.ts'
import type { Circuit } from './circuit-breaker.ts'
import type { CircuitBreakerStore } from './circuit-breaker-store.ts'
import type { BucketShard, ShardedBucketStore } from './ports.ts'

const CIRCUITS_FROM_BEST: readonly Circuit[] = ['closed', 'half-open', 'open']

/** A sharded store with a circuit breaker for each shard, so that one that is unavailable takes no other with it. */
export class ShardedStore {
  readonly #store: ShardedBucketStore
  readonly #guard: (shard: BucketShard) => CircuitBreakerStore
  readonly #breakers = new Map<BucketShard, CircuitBreakerStore>()

  constructor(store: ShardedBucketStore, guard: (shard: BucketShard) => CircuitBreakerStore) {
    this.#store = store
    this.#guard = guard
  }

  /** Of the present shards. */
  get breakers(): readonly CircuitBreakerStore[] {
    return this.#store.shards.map(shard => this.#breakerOf(shard))
  }

  /** Of the shard that holds the key's bucket now. */
  breakerFor(key: string): CircuitBreakerStore {
    return this.#breakerOf(this.#store.shardOf(key))
  }

  /** Of the shard that holds the reservation's record now. */
  breakerForReservation(id: ReservationId): CircuitBreakerStore {
    return this.#breakerOf(this.#store.shardOfReservation(id))
  }

  /** The worst of all shards. */
  get circuit(): Circuit {
    const circuits = this.breakers.map(({ circuit }) => circuit)
    return CIRCUITS_FROM_BEST.findLast(circuit => circuits.includes(circuit)) ?? 'open'
  }

  /** Why a shard is unavailable. */
  get reason(): string | undefined {
    return this.breakers.find(({ reason }) => reason !== undefined)?.reason
  }

  reset(key: string): Promise<void> {
    return this.breakerFor(key).reset(key)
  }

  /** Rejects unless every shard answers. */
  async probe(): Promise<void> {
    const { breakers } = this
    if (breakers.length === 0) throw new Error('no shard of the bucket store is known yet')
    await Promise.all(breakers.map(breaker => breaker.probe()))
  }

  /** Why a shard is unavailable, or `undefined` if every shard answered. */
  async examine(): Promise<string | undefined> {
    const { breakers } = this
    if (breakers.length === 0) return 'cluster-down'
    const reasons = await Promise.all(breakers.map(breaker => breaker.examine()))
    return reasons.find(reason => reason !== undefined)
  }

  /** Ends all probes. */
  close(): void {
    for (const breaker of this.#breakers.values()) breaker.close()
  }

  #breakerOf(shard: BucketShard): CircuitBreakerStore {
    const known = this.#breakers.get(shard)
    if (known !== undefined) return known
    this.#retireGoneShards()
    const breaker = this.#guard(shard)
    this.#breakers.set(shard, breaker)
    return breaker
  }

  #retireGoneShards(): void {
    for (const [shard, breaker] of this.#breakers) {
      if (this.#store.shards.includes(shard)) continue
      this.#breakers.delete(shard)
      breaker.retire()
    }
  }
}
