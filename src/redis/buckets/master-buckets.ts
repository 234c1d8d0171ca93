import { type Cluster, Pipeline, type Redis } from 'ioredis'
import type { BucketCheck, BucketShard } from '../../check/ports.ts'
import { bucketPartition } from '../../domain/partition.ts'
import type { BucketReading } from '../../domain/token-bucket.ts'
import type { BucketKeys } from '../keys.ts'
import { CheckCall, isUnknownScript, type OnMalformedBucket, readingsIn } from './check-call.ts'
import { probeKeyIn } from './probe-keys.ts'

/** Replies to a call that was not executed because some of its keys have moved or are moving. */
const REDIRECTIONS = /^(MOVED|ASK|TRYAGAIN) /
/** Concerns one slot only, not the master. */
const UNSERVED_SLOT = /^CLUSTERDOWN Hash slot not served/
/** A failure that does not mean that the slot map is out of date. */
const SLOW = /timed out/

type Readings = (BucketReading | undefined)[]

interface MasterBucketsOptions {
  /** As the slot map spells it. */
  readonly address: string
  /** One that the master owns; see `owns`. */
  readonly partition: number
  /** Follows redirections. */
  readonly cluster: Cluster
  readonly keys: BucketKeys
  readonly onMalformed: OnMalformedBucket
  /** The connection to this master, if there is one. */
  connection(): Redis | undefined
  /** Called when the slot map may be out of date. */
  disturbed(): void
}

/** The buckets of one master. A batch becomes one script call for each partition, all sent in one write. */
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

  /** Checks whose call failed have no reading. Rejects if all calls failed, unless only for slots that no master serves. */
  async check(checks: readonly BucketCheck[]): Promise<Readings> {
    const groups = indexesBy(checks, ({ key }) => bucketPartition(key))
    const pipeline = this.#pipeline()
    for (const indexes of groups.values()) {
      pipeline.sendCommand(new CheckCall({ checks: pick(checks, indexes), keys: this.#options.keys }))
    }
    const replies = (await pipeline.exec()) as [Error | null, Buffer][]

    const readings: Readings = new Array(checks.length)
    const failures: unknown[] = []
    const settle = async ([, indexes]: [number, number[]], [err, reply]: [Error | null, Buffer]) => {
      const asked = pick(checks, indexes)
      try {
        const answers =
          err === null ? readingsIn(reply, asked, this.#options.onMalformed) : await this.#repeat(asked, err)
        for (const [i, index] of indexes.entries()) readings[index] = answers[i]
      } catch (failure) {
        failures.push(failure)
      }
    }
    await Promise.all([...groups].map((group, i) => settle(group, replies[i] as [Error | null, Buffer])))
    if (failures.some(failure => !SLOW.test((failure as Error).message))) this.#options.disturbed()
    const failure = failures.find(failure => !UNSERVED_SLOT.test((failure as Error).message))
    if (failures.length === groups.size && failure !== undefined) throw failure
    return readings
  }

  async reset(key: string): Promise<void> {
    await this.#options.cluster.unlink(this.#options.keys.bucket(key))
  }

  #pipeline(): Pipeline {
    const connection = this.#options.connection()
    if (connection?.status === 'ready') return new Pipeline(connection)
    this.#options.disturbed()
    throw new Error(`the master ${this.name} is unavailable`)
  }

  /**
   * Repeats a call that was not executed: with the script's source, or where a redirection points to. Nothing else may be
   * repeated. A redirected call is split by key, since some keys of a moving slot are here and some there.
   */
  async #repeat(checks: readonly BucketCheck[], err: Error): Promise<readonly (BucketReading | undefined)[]> {
    if (isUnknownScript(err)) return this.#ask(checks)
    if (!REDIRECTIONS.test(err.message)) throw err
    this.#options.disturbed()
    const readings: Readings = new Array(checks.length)
    const ask = async (indexes: readonly number[]) => {
      const answers = await this.#ask(pick(checks, indexes))
      for (const [i, index] of indexes.entries()) readings[index] = answers[i]
    }
    const asked = indexesBy(checks, ({ key }) => key)
    const outcomes = await Promise.allSettled([...asked.values()].map(ask))
    const failed = outcomes.filter(outcome => outcome.status === 'rejected')
    if (failed.length === outcomes.length) throw failed[0]?.reason
    return readings
  }

  async #ask(checks: readonly BucketCheck[]): Promise<readonly BucketReading[]> {
    const { cluster, keys, onMalformed } = this.#options
    const reply = await cluster.sendCommand(new CheckCall({ checks, keys, withSource: true }))
    return readingsIn(reply as Buffer, checks, onMalformed)
  }
}

function indexesBy<K>(checks: readonly BucketCheck[], groupOf: (check: BucketCheck) => K): Map<K, number[]> {
  const groups = new Map<K, number[]>()
  for (const [index, check] of checks.entries()) {
    const group = groupOf(check)
    const indexes = groups.get(group)
    if (indexes === undefined) groups.set(group, [index])
    else indexes.push(index)
  }
  return groups
}

function pick(checks: readonly BucketCheck[], indexes: readonly number[]): readonly BucketCheck[] {
  return indexes.map(index => checks[index] as BucketCheck)
}
