import { type Cluster, Pipeline, type Redis } from 'ioredis'
import type { BucketShard } from '../../check/ports.ts'
import { isUnownedSlot } from '../connection/failure-reason.ts'
import type { BucketKeys } from '../keys.ts'
import type { AcrossSlots } from './across-slots.ts'
import { indexesBy, pick, place } from './groups.ts'
import { probeKeyIn } from './probe-keys.ts'
import type { Protocol, Protocols } from './protocols.ts'
import type { Redirections } from './redirections.ts'
import { RedisKeyStore } from './redis-key-store.ts'
import { isUnknownScript, type ScriptCall } from './script-call.ts'

/**
 * Replies to a call that was not executed, since its keys have moved or are moving, or nobody serves their slot, or the server is no
 * longer their master.
 */
const REDIRECTIONS = /^(MOVED|ASK|TRYAGAIN|READONLY|CLUSTERDOWN Hash slot not served)/
/** A failure that does not mean that the slot map is out of date. */
const SLOW = /timed out/

/** Counts what a cluster costs beyond one call of each master. */
export interface ClusterObserver {
  /** A batch took a call for each partition in it, because its master takes no call for several. */
  calledPerPartition(): void
  /** Checks, groups or calls on reservations were asked again, because their slot is at another master or moves there. */
  redirected(checks: number): void
}

interface MasterBucketsOptions {
  /** As the slot map spells it. */
  readonly address: string
  /** One that the master owns; see `owns`. */
  readonly partition: number
  readonly cluster: Cluster
  readonly keys: BucketKeys
  readonly acrossSlots: AcrossSlots
  readonly redirections: Redirections
  readonly protocols: Protocols
  readonly observer: ClusterObserver
  /** The connection to this master, if there is one. */
  connection(): Redis | undefined
  /** Called when the slot map may be out of date. */
  disturbed(): void
}

const NO_REPLY = Buffer.alloc(0)

/** The reply to a call, as a pipeline returns it. */
type Reply = readonly [Error | null, Buffer]

/**
 * The buckets of one master. A batch becomes one script call; at a master that takes no call for several slots, one for each
 * partition, all sent in one write.
 */
export class MasterBuckets extends RedisKeyStore implements BucketShard {
  readonly name: string
  #partition: number

  constructor(options: MasterBucketsOptions) {
    const { cluster, keys, protocols } = options
    super({
      redis: cluster,
      keys,
      protocols,
      ask: (protocol, items) => new MasterCalls(options, protocol).ask(items),
    })
    this.name = options.address
    this.#partition = options.partition
  }

  /** In a partition that the master owns. */
  get probeKey(): string {
    return probeKeyIn(this.#partition)
  }

  /** The master owns this partition, and perhaps no longer the one known before. */
  owns(partition: number): void {
    this.#partition = partition
  }
}

/** What some items ask of a master. */
interface Batch<Item> {
  readonly items: readonly Item[]
  readonly acrossSlots: boolean
}

/** The calls for one batch. */
class MasterCalls<Item, Result> {
  readonly #options: MasterBucketsOptions
  readonly #protocol: Protocol<Item, Result>

  constructor(options: MasterBucketsOptions, protocol: Protocol<Item, Result>) {
    this.#options = options
    this.#protocol = protocol
  }

  /** Items whose call failed have no result. Rejects if all calls failed, unless only for slots that no master owns. */
  async ask(items: readonly Item[]): Promise<readonly (Result | undefined)[]> {
    const connection = this.#readyConnection()
    const acrossSlots = this.#options.acrossSlots.isSupportedBy(connection)
    const groups = acrossSlots ? [[...items.keys()]] : indexesBy(items, this.#protocol.partitionOf)
    if (!acrossSlots) this.#options.observer.calledPerPartition()
    const batches = groups.map(indexes => ({ items: pick(items, indexes), acrossSlots }))
    const replies = await sendTogether(
      connection,
      batches.map(batch => this.#callOf(batch)),
    )
    const settled = batches.map((batch, i) => this.#settle(connection, batch, replies[i] as Reply))
    return this.#merge(groups, await Promise.allSettled(settled), items.length)
  }

  #callOf({ items, acrossSlots }: Batch<Item>, withSource = false): ScriptCall {
    return this.#protocol.call(items, { acrossSlots, withSource })
  }

  #readyConnection(): Redis {
    const { address } = this.#options
    const connection = this.#options.connection()
    if (connection?.status === 'ready') return connection
    this.#options.disturbed()
    throw new Error(`the master ${address} is unavailable`)
  }

  #merge(
    groups: readonly number[][],
    outcomes: readonly PromiseSettledResult<readonly (Result | undefined)[]>[],
    items: number,
  ): readonly (Result | undefined)[] {
    const merged: (Result | undefined)[] = new Array(items)
    const failures: Error[] = []
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome.status === 'rejected') failures.push(outcome.reason)
      else place(merged, groups[i] as number[], outcome.value)
    }
    if (failures.some(({ message }) => !SLOW.test(message))) this.#options.disturbed()
    const failure = failures.find(err => !isUnownedSlot(err))
    if (failures.length === groups.length && failure !== undefined) throw failure
    return merged
  }

  /** Asks again what was not executed, and nothing else: for the rest it is unknown whether tokens were spent. */
  async #settle(connection: Redis, batch: Batch<Item>, [err, reply]: Reply): Promise<readonly (Result | undefined)[]> {
    const { items } = batch
    if (err === null) return this.#askElsewhere(items, this.#protocol.read(reply, items))
    if (REDIRECTIONS.test(err.message)) return this.#askAgain(items)
    if (!isUnknownScript(err)) throw err
    const [again] = await sendTogether(connection, [this.#callOf(batch, true)])
    return this.#settle(connection, batch, again as Reply)
  }

  async #askElsewhere(items: readonly Item[], results: readonly (Result | undefined)[]) {
    if (!results.includes(undefined)) return results
    const elsewhere = [...results.keys()].filter(index => results[index] === undefined)
    const complete = [...results]
    const again = this.#askAgain(pick(items, elsewhere))
    // A failure elsewhere must not lose the results of what was executed here.
    place(complete, elsewhere, await (elsewhere.length < items.length ? again.catch(() => []) : again))
    return complete
  }

  #askAgain(items: readonly Item[]): Promise<readonly (Result | undefined)[]> {
    this.#options.disturbed()
    this.#options.observer.redirected(items.length)
    return this.#options.redirections.ask(this.#protocol, items)
  }
}

/** In one write. A pipeline costs more than a single command. */
async function sendTogether(connection: Redis, calls: readonly ScriptCall[]): Promise<readonly Reply[]> {
  const [first] = calls
  if (calls.length === 1 && first !== undefined) return [await send(connection, first)]
  const pipeline = new Pipeline(connection)
  for (const call of calls) pipeline.sendCommand(call)
  return (await pipeline.exec()) as Reply[]
}

async function send(connection: Redis, call: ScriptCall): Promise<Reply> {
  try {
    return [null, await connection.sendCommand(call)] as [null, Buffer]
  } catch (err) {
    return [err as Error, NO_REPLY]
  }
}
