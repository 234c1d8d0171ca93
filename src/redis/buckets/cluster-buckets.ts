import type { Cluster, Redis } from 'ioredis'
import type { BucketShard, ShardedBucketStore } from '../../check/ports.ts'
import { BUCKET_PARTITIONS, bucketPartition } from '../../domain/partition.ts'
import { type ReservationId, recordPartition } from '../../domain/reservation-id.ts'
import type { Logger } from '../../observability/logger.ts'
import { BUCKET_SLOTS } from '../bucket-tags.ts'
import type { BucketKeys } from '../keys.ts'
import { AcrossSlots } from './across-slots.ts'
import type { ReplyReport } from './check-reply.ts'
import { type ClusterObserver, MasterBuckets } from './master-buckets.ts'
import { type Protocols, protocolsFor } from './protocols.ts'
import { Redirections } from './redirections.ts'
import { UnownedSlots } from './unowned-slots.ts'

/** Pause before the slot map is read again after a failure, and the shortest time between two readings, in ms. */
const REFRESH_PAUSE_MS = 150

interface ClusterBucketsOptions {
  readonly keys: BucketKeys
  readonly report: ReplyReport
  readonly observer: ClusterObserver
  readonly logger: Logger
}

/** Buckets on Redis Cluster: each master is a shard, and so are all buckets that no master owns. */
export class ClusterBuckets implements ShardedBucketStore {
  readonly #cluster: Cluster
  readonly #options: ClusterBucketsOptions
  readonly #acrossSlots: AcrossSlots
  readonly #redirections: Redirections
  readonly #protocols: Protocols
  readonly #nodes = new Map<string, Redis>()
  #masters: ReadonlyMap<string, MasterBuckets> = new Map()
  /** By partition. */
  #owners: readonly (MasterBuckets | undefined)[] = []
  readonly #unowned: UnownedSlots
  #refresh: NodeJS.Timeout | undefined

  constructor(cluster: Cluster, options: ClusterBucketsOptions) {
    this.#cluster = cluster
    this.#options = options
    this.#acrossSlots = new AcrossSlots(options.keys, options.logger)
    this.#protocols = protocolsFor(options.keys, options.report)
    this.#redirections = new Redirections({ cluster, unowned: partition => this.#unowned.add(partition) })
    this.#unowned = new UnownedSlots(this.#shared)
    cluster.on('+node', (node: Redis) => this.#add(node))
    cluster.on('-node', (node: Redis) => this.#remove(node))
    cluster.on('refresh', () => this.#readSlots())
    cluster.on('ready', () => this.#connectAll())
    cluster.on('end', () => clearTimeout(this.#refresh))
  }

  get shards(): readonly BucketShard[] {
    return this.#unowned.isEmpty ? [...this.#masters.values()] : [...this.#masters.values(), this.#unowned]
  }

  /** What all shards need. */
  get #shared() {
    return {
      cluster: this.#cluster,
      keys: this.#options.keys,
      protocols: this.#protocols,
      redirections: this.#redirections,
      disturbed: () => this.#refreshSoon(),
    }
  }

  shardOf(key: string): BucketShard {
    return this.#shardOfPartition(bucketPartition(key))
  }

  shardOfReservation(id: ReservationId): BucketShard {
    return this.#shardOfPartition(recordPartition(id))
  }

  #shardOfPartition(partition: number): BucketShard {
    const owner = this.#owners[partition]
    return owner === undefined || this.#unowned.has(partition) ? this.#unowned : owner
  }

  #add(node: Redis): void {
    this.#nodes.set(addressOf(node), node)
    node.on('ready', () => this.#acrossSlots.examine(node))
    node.on('close', () => this.#acrossSlots.forget(node))
    if (this.#cluster.status === 'ready') connectTo(node)
  }

  /** Only once the cluster client is ready: it treats nodes that are still connecting as lost. */
  #connectAll(): void {
    for (const node of this.#nodes.values()) connectTo(node)
  }

  #remove(node: Redis): void {
    if (this.#nodes.get(addressOf(node)) === node) this.#nodes.delete(addressOf(node))
    this.#refreshSoon()
  }

  #readSlots(): void {
    const masters = new Map<string, MasterBuckets>()
    this.#owners = Array.from({ length: BUCKET_PARTITIONS }, (_, partition) => {
      const address = this.#cluster.slots[BUCKET_SLOTS[partition] as number]?.[0]
      if (address === undefined) {
        this.#unowned.add(partition)
        return undefined
      }
      const master = masters.get(address) ?? this.#masters.get(address) ?? this.#master(address, partition)
      if (!this.#unowned.has(partition)) master.owns(partition)
      masters.set(address, master)
      return master
    })
    this.#masters = masters
    for (const address of masters.keys()) this.#examine(address)
  }

  /** At each reading of the slot map, since a master that owned fewer than two partitions has proved nothing. */
  #examine(address: string): void {
    const node = this.#nodes.get(address)
    if (node !== undefined) void this.#acrossSlots.examine(node)
  }

  #master(address: string, partition: number): MasterBuckets {
    return new MasterBuckets({
      ...this.#shared,
      address,
      partition,
      acrossSlots: this.#acrossSlots,
      observer: this.#options.observer,
      connection: () => this.#nodes.get(address),
    })
  }

  #refreshSoon(): void {
    this.#refresh ??= setTimeout(() => {
      this.#refresh = undefined
      this.#cluster.refreshSlotsCache()
    }, REFRESH_PAUSE_MS).unref()
  }
}

/** Connects before the first check, which would not wait for it. Replicas are not used. */
function connectTo(node: Redis): void {
  if (node.status === 'wait' && node.options.readOnly !== true) node.connect().catch(() => undefined)
}

function addressOf({ options }: Redis): string {
  return `${options.host}:${options.port}`
}
