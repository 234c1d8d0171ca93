import type { Circuit, GuardedStore } from './circuit-breaker-store.ts'
import type { BucketShard, ShardedBucketStore } from './ports.ts'

const FROM_BEST_TO_WORST: readonly Circuit[] = ['closed', 'half-open', 'open']

/** A store in parts behind circuits: each part has its own, so that one that is away takes none of the others with it. */
export class ShardedStore {
  readonly #store: ShardedBucketStore
  readonly #guard: (shard: BucketShard) => GuardedStore
  readonly #guards = new Map<BucketShard, GuardedStore>()

  constructor(store: ShardedBucketStore, guard: (shard: BucketShard) => GuardedStore) {
    this.#store = store
    this.#guard = guard
  }

  /** Of each part that there is now. */
  get guards(): readonly GuardedStore[] {
    return this.#store.shards.map(shard => this.#guardOf(shard))
  }

  /** Of the part where the key's bucket lives now. */
  guardFor(key: string): GuardedStore {
    return this.#guardOf(this.#store.shardOf(key))
  }

  /** The worst of all. */
  get circuit(): Circuit {
    const circuits = this.guards.map(({ circuit }) => circuit)
    return FROM_BEST_TO_WORST.findLast(circuit => circuits.includes(circuit)) ?? 'open'
  }

  /** Why a part is away. */
  get reason(): string | undefined {
    return this.guards.find(({ reason }) => reason !== undefined)?.reason
  }

  reset(key: string): Promise<void> {
    return this.guardFor(key).reset(key)
  }

  /** Rejects unless every part answers. */
  async probe(): Promise<void> {
    const { shards } = this.#store
    if (shards.length === 0) throw new Error('no part of the store is known yet')
    await Promise.all(shards.map(shard => this.#guardOf(shard).probe()))
  }

  /** Why a part is unavailable, or `undefined` if every part answered. */
  async examine(): Promise<string | undefined> {
    if (this.#store.shards.length === 0) return 'cluster-down'
    const reasons = await Promise.all(this.guards.map(guard => guard.examine()))
    return reasons.find(reason => reason !== undefined)
  }

  /** Looks for no part any more. */
  close(): void {
    for (const guard of this.#guards.values()) guard.close()
  }

  #guardOf(shard: BucketShard): GuardedStore {
    const known = this.#guards.get(shard)
    if (known !== undefined) return known
    this.#forgetWhatIsNoPartAnyMore()
    const guard = this.#guard(shard)
    this.#guards.set(shard, guard)
    return guard
  }

  #forgetWhatIsNoPartAnyMore(): void {
    for (const [shard, guard] of this.#guards) {
      if (this.#store.shards.includes(shard)) continue
      this.#guards.delete(shard)
      guard.retire()
    }
  }
}
