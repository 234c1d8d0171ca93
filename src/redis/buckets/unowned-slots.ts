import { type Cluster, ReplyError } from 'ioredis'
import type { BucketCheck, BucketShard } from '../../check/ports.ts'
import { BUCKET_PARTITIONS, bucketPartition } from '../../domain/partition.ts'
import { isUnownedSlot } from '../connection/failure-reason.ts'
import type { BucketKeys } from '../keys.ts'
import type { Readings } from './check-reply.ts'
import { probeKeyIn } from './probe-keys.ts'
import type { RedirectedChecks } from './redirected-checks.ts'

interface UnownedSlotsOptions {
  readonly cluster: Cluster
  readonly keys: BucketKeys
  readonly redirected: RedirectedChecks
  /** Called when the slot map may be out of date. */
  disturbed(): void
}

/**
 * The shard of the buckets that no master owns, so that their checks count as an outage. A partition belongs to it once the slot map
 * names no owner, or a server says that nobody serves its slot, and until a check of it succeeds: the masters may disagree.
 */
export class UnownedSlots implements BucketShard {
  readonly name = 'none'
  readonly #options: UnownedSlotsOptions
  readonly #partitions = new Set<number>()

  constructor(options: UnownedSlotsOptions) {
    this.#options = options
  }

  /** In each of the partitions in turn, so that one whose slot has an owner again does not wait for the others. */
  get probeKey(): string {
    const [partition = 0] = this.#partitions
    if (this.#partitions.delete(partition)) this.#partitions.add(partition)
    return probeKeyIn(partition)
  }

  get isEmpty(): boolean {
    return this.#partitions.size === 0
  }

  has(partition: number): boolean {
    return this.#partitions.has(partition)
  }

  add(partition: number): void {
    this.#partitions.add(partition)
  }

  /** Asks whichever master has the slots by now. */
  async check(checks: readonly BucketCheck[]): Promise<Readings> {
    this.#options.disturbed()
    const readings = await this.#options.redirected.ask(checks).catch(err => {
      throw isUnownedSlot(err) ? this.#failure() : err
    })
    for (const [i, { key }] of checks.entries()) {
      if (readings[i] !== undefined) this.#partitions.delete(bucketPartition(key))
    }
    return readings
  }

  #failure(): Error {
    const count = `${this.#partitions.size} of ${BUCKET_PARTITIONS} bucket partitions`
    return new ReplyError(`CLUSTERDOWN Hash slot not served: no master owns the slots of ${count}`)
  }

  async reset(key: string): Promise<void> {
    await this.#options.cluster.unlink(this.#options.keys.bucket(key))
  }
}
