import { setImmediate as nextTurn } from 'node:timers/promises'
import type { PolicyEvent } from '../../domain/events.ts'
import { CONFIG_PARTITIONS, configPartition } from '../../domain/partition.ts'
import type { PolicyTable } from '../../domain/policy-table.ts'
import type { Logger } from '../../observability/logger.ts'
import { faultFields } from '../fault-fields.ts'
import { DamagedRecord, type EventLog, LogCompacted, type LogPosition, LogReplaced } from '../ports.ts'

/** Announcements are only hints: each log is read this often whether one came or not, ms. */
const READ_INTERVAL_MS = 1000

/** So many entries of the table are looked at in one turn of the event loop, which takes about a millisecond. */
const KEYS_PER_TURN = 10_000

export interface FollowObserver {
  /** A policy is obeyed from now on. */
  applied(event: PolicyEvent): void
  /** The log, which holds so many events, is followed up to this position. */
  followed(partition: number, position: number, logEvents: number): void
  /** The log was another one, and the partition was loaded anew. */
  logReplaced(partition: number): void
}

interface PolicyFollowerOptions {
  readonly log: EventLog
  readonly table: PolicyTable
  readonly observer: FollowObserver
  /** Hears of each policy that was read. */
  readonly damage: { repaired(key: string): void }
  /** Whether what failed may work the next time. */
  isTransient(err: Error): boolean
  readonly logger: Logger
}

/** One partition's log, followed by one reader at a time. */
interface Partition {
  readonly number: number
  /** Absent until the policies were loaded, and while they are loaded anew. */
  at: LogPosition | undefined
  /** Whether the table may hold policies of the partition. */
  isInTable: boolean
  wasLoaded: boolean
  /** Whether it was said that something stands in the store that this release cannot read. */
  saidUnreadable: boolean
  current: Promise<void>
  /** The catch-up that everybody shares who asks while the current one is under way. */
  next: Promise<void> | undefined
}

/** Keeps the policy table equal to the logs: loads it once, then applies the events behind its own position, in order. */
export class PolicyFollower {
  readonly #options: PolicyFollowerOptions
  readonly #partitions: readonly Partition[]
  #timer: NodeJS.Timeout | undefined
  #firstLoadDone: () => void = () => undefined
  /** Resolves once every partition was loaded, however long the store is away. */
  readonly firstLoad = new Promise<void>(resolve => {
    this.#firstLoadDone = resolve
  })

  constructor(options: PolicyFollowerOptions) {
    this.#options = options
    this.#partitions = Array.from({ length: CONFIG_PARTITIONS }, (_, number) => ({
      number,
      at: undefined,
      isInTable: false,
      wasLoaded: false,
      saidUnreadable: false,
      current: Promise.resolve(),
      next: undefined,
    }))
  }

  start(): void {
    this.catchUpAll()
    this.#timer = setInterval(() => this.catchUpAll(), READ_INTERVAL_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Whether every partition was loaded at least once. */
  get isLoaded(): boolean {
    return this.#partitions.every(({ wasLoaded }) => wasLoaded)
  }

  catchUpAll(): void {
    for (const { number } of this.#partitions) this.catchUp(number).catch(() => undefined)
  }

  /** Resolves once everything is applied that stood in the log when it was called. */
  catchUp(number: number): Promise<void> {
    const partition = this.#partitions[number]
    if (partition === undefined) return Promise.resolve()
    partition.next ??= partition.current
      .catch(() => undefined)
      .then(() => {
        partition.current = this.#follow(partition)
        partition.next = undefined
        return partition.current
      })
    return partition.next
  }

  async #follow(partition: Partition): Promise<void> {
    try {
      await this.#readOnOrReload(partition)
      partition.saidUnreadable = false
    } catch (err) {
      if (!this.#options.isTransient(err as Error)) this.#sayUnreadable(partition, err)
      throw err
    }
  }

  async #readOnOrReload(partition: Partition): Promise<void> {
    try {
      await this.#readOn(partition, partition.at ?? (await this.#load(partition)))
    } catch (err) {
      if (!this.#isReasonToReload(partition.number, err)) throw err
      partition.at = undefined
      await this.#load(partition)
    }
  }

  /** Whether the policies themselves say what the log does not, or not any more. */
  #isReasonToReload(partition: number, err: unknown): boolean {
    const { logger, observer } = this.#options
    if (err instanceof LogReplaced) {
      logger.warn({ partition, reason: err.message }, 'the log was replaced: loading anew')
      observer.logReplaced(partition)
      return true
    }
    if (err instanceof LogCompacted) {
      logger.info({ partition, reason: err.message }, 'the log was compacted past this process: loading anew')
      return true
    }
    if (err instanceof DamagedRecord) {
      logger.error({ partition, reason: err.message }, 'an event is damaged: loading the policies anew')
      return true
    }
    return false
  }

  #sayUnreadable(partition: Partition, err: unknown): void {
    if (partition.saidUnreadable) return
    partition.saidUnreadable = true
    this.#options.logger.error({ partition: partition.number, ...faultFields(err) }, 'changes are not obeyed')
  }

  /** Makes the table equal to the store. The store is read by pieces, and checks go on between them. */
  async #load(partition: Partition): Promise<LogPosition> {
    const { log, table, damage } = this.#options
    const { at, chunks } = await log.snapshot(partition.number)
    const wasInTable = partition.isInTable
    partition.isInTable = true
    const kept = new Set<string>()
    for await (const records of chunks) {
      for (const { key, version, policy } of records) {
        table.set(key, version, policy)
        damage.repaired(key)
        if (wasInTable) kept.add(key)
      }
    }
    if (wasInTable) await this.#deleteOthers(partition.number, kept)
    partition.at = at
    partition.wasLoaded = true
    if (this.isLoaded) this.#firstLoadDone()
    return at
  }

  async #deleteOthers(partition: number, kept: ReadonlySet<string>): Promise<void> {
    const { table } = this.#options
    let looked = 0
    for (const key of table.configKeys()) {
      if (configPartition(key) === partition && !kept.has(key)) table.delete(key)
      if (++looked % KEYS_PER_TURN === 0) await nextTurn()
    }
  }

  async #readOn(partition: Partition, from: LogPosition): Promise<void> {
    for (let at = from, hasMore = true; hasMore; ) {
      const read = await this.#options.log.read(partition.number, at)
      for (const { event } of read.entries) this.#apply(event)
      ;({ at, hasMore } = read)
      partition.at = at
      this.#options.observer.followed(partition.number, at.position, read.logEvents)
    }
  }

  #apply(event: PolicyEvent): void {
    const { table, observer, damage, logger } = this.#options
    damage.repaired(event.key)
    if ((table.get(event.key)?.version ?? 0) >= event.version) return
    if (event.policy === null) table.delete(event.key)
    else table.set(event.key, event.version, event.policy)
    observer.applied(event)
    const { commandId, requestId, version } = event
    logger.debug({ commandId, requestId, version }, 'change obeyed')
  }
}
