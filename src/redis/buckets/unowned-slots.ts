import type { Cluster } from 'ioredis'
import type { BucketShard } from '../../check/ports.ts'
import { BUCKET_PARTITIONS } from '../../domain/partition.ts'
import { isUnownedSlot, replyError } from '../connection/failure-reason.ts'
import type { BucketKeys } from '../keys.ts'
import { probeKeyIn } from './probe-keys.ts'
import type { Protocol, Protocols } from './protocols.ts'
import type { Redirections } from './redirections.ts'
import { RedisKeyStore } from './redis-key-store.ts'

interface UnownedSlotsOptions {
  readonly cluster: Cluster
  readonly keys: BucketKeys
  readonly protocols: Protocols
  readonly redirections: Redirections
  /** Called when the slot map may be out of date. */
  disturbed(): void
}

/**
 * The shard of the buckets that no master owns, so that their checks count as an outage. A partition belongs to it once the slot map
 * names no owner, or a server says that nobody serves its slot, and until a check of it succeeds: the masters may disagree.
 */
export class UnownedSlots extends RedisKeyStore implements BucketShard {
  readonly name = 'none'
  readonly #partitions: Set<number>

  constructor(options: UnownedSlotsOptions) {
    const partitions = new Set<number>()
    const { cluster, keys, protocols } = options
    super({ redis: cluster, keys, protocols, ask: (protocol, items) => ask(options, partitions, protocol, items) })
    this.#partitions = partitions
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
}

/** Asks whichever master has the slots by now. */
async function ask<Item, Result>(
  { redirections, disturbed }: UnownedSlotsOptions,
  partitions: Set<number>,
  protocol: Protocol<Item, Result>,
  items: readonly Item[],
): Promise<readonly (Result | undefined)[]> {
  disturbed()
  const results = await redirections.ask(protocol, items).catch(err => {
    throw isUnownedSlot(err) ? unowned(partitions.size) : err
  })
  for (const [i, item] of items.entries()) {
    if (results[i] !== undefined) partitions.delete(protocol.partitionOf(item))
  }
  return results
}

function unowned(partitions: number): Error {
  const count = `${partitions} of ${BUCKET_PARTITIONS} bucket partitions`
  return replyError(`CLUSTERDOWN Hash slot not served: no master owns the slots of ${count}`)
}
