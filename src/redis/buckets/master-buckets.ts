import { type Cluster, Pipeline, type Redis } from 'ioredis'
import type { BucketCheck, BucketShard } from '../../check/ports.ts'
import { bucketPartition } from '../../domain/partition.ts'
import type { BucketReading } from '../../domain/reading.ts'
import { isUnownedSlot } from '../connection/failure-reason.ts'
import type { BucketKeys } from '../keys.ts'
import type { AcrossSlots } from './across-slots.ts'
import { CheckCall, type CheckCallOptions, isUnknownScript } from './check-call.ts'
import { type Readings, type ReplyReport, readingsIn } from './check-reply.ts'
import { indexesBy, pick, place } from './groups.ts'
import { probeKeyIn } from './probe-keys.ts'
import type { RedirectedChecks } from './redirected-checks.ts'

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
  calledByPartition(calls: number): void
  /** Checks were asked again, because their slot is at another master or moves there. */
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
  readonly redirected: RedirectedChecks
  readonly report: ReplyReport
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
export class MasterBuckets implements BucketShard {
  readonly name: string
  #partition: number
  readonly #options: MasterBucketsOptions

  constructor(options: MasterBucketsOptions) {
    this.name = options.address
    this.#partition = options.partition
    this.#options = options
  }

  /** In a partition that the master owns. */
  get probeKey(): string {
    return probeKeyIn(this.#partition)
  }

  /** The master owns this partition, and perhaps no longer the one known before. */
  owns(partition: number): void {
    this.#partition = partition
  }

  /** Checks whose call failed have no reading. Rejects if all calls failed, unless only for slots that no master owns. */
  async check(checks: readonly BucketCheck[]): Promise<Readings> {
    const connection = this.#readyConnection()
    const acrossSlots = this.#options.acrossSlots.isSupportedBy(connection)
    const groups = acrossSlots ? [[...checks.keys()]] : indexesBy(checks, ({ key }) => bucketPartition(key))
    if (!acrossSlots) this.#options.observer.calledByPartition(groups.length)
    const { keys } = this.#options
    const calls = groups.map(indexes => ({ checks: pick(checks, indexes), keys, acrossSlots }))
    const replies = await sendTogether(connection, calls)
    const settled = calls.map((call, i) => this.#settle(connection, call, replies[i] as Reply))
    return this.#merge(groups, await Promise.allSettled(settled), checks.length)
  }

  async reset(key: string): Promise<void> {
    await this.#options.cluster.unlink(this.#options.keys.bucket(key))
  }

  #readyConnection(): Redis {
    const connection = this.#options.connection()
    if (connection?.status === 'ready') return connection
    this.#options.disturbed()
    throw new Error(`the master ${this.name} is unavailable`)
  }

  #merge(groups: readonly number[][], outcomes: readonly PromiseSettledResult<Readings>[], checks: number): Readings {
    const merged: (BucketReading | undefined)[] = new Array(checks)
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
  async #settle(connection: Redis, call: CheckCallOptions, [err, reply]: Reply): Promise<Readings> {
    const { checks } = call
    if (err === null) return this.#askElsewhere(checks, readingsIn(reply, checks, this.#options.report))
    if (REDIRECTIONS.test(err.message)) return this.#askAgain(checks)
    if (!isUnknownScript(err)) throw err
    const [again] = await sendTogether(connection, [{ ...call, withSource: true }])
    return this.#settle(connection, call, again as Reply)
  }

  async #askElsewhere(checks: readonly BucketCheck[], readings: Readings): Promise<Readings> {
    if (!readings.includes(undefined)) return readings
    const elsewhere = [...readings.keys()].filter(index => readings[index] === undefined)
    const complete = [...readings]
    const again = this.#askAgain(pick(checks, elsewhere))
    // A failure elsewhere must not lose the readings of what was executed here.
    place(complete, elsewhere, await (elsewhere.length < checks.length ? again.catch(() => []) : again))
    return complete
  }

  #askAgain(checks: readonly BucketCheck[]): Promise<Readings> {
    this.#options.disturbed()
    this.#options.observer.redirected(checks.length)
    return this.#options.redirected.ask(checks)
  }
}

/** In one write. A pipeline costs more than a single command. */
async function sendTogether(connection: Redis, calls: readonly CheckCallOptions[]): Promise<readonly Reply[]> {
  const [first] = calls
  if (calls.length === 1 && first !== undefined) return [await send(connection, first)]
  const pipeline = new Pipeline(connection)
  for (const call of calls) pipeline.sendCommand(new CheckCall(call))
  return (await pipeline.exec()) as Reply[]
}

async function send(connection: Redis, call: CheckCallOptions): Promise<Reply> {
  try {
    return [null, await connection.sendCommand(new CheckCall(call))] as [null, Buffer]
  } catch (err) {
    return [err as Error, NO_REPLY]
  }
}
