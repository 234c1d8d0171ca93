import { setImmediate as nextTurn } from 'node:timers/promises'
import type { PolicyEvent } from '../../domain/events.ts'
import { CONFIG_PARTITIONS, configPartition } from '../../domain/partition.ts'
import { faultFields } from '../../lib/operator-error.ts'
import type { Logger } from '../../observability/logger.ts'
import { DamagedRecord } from '../damaged-store.ts'
import { type EventLog, LogCompacted, type LogPosition, LogReplaced } from '../log-ports.ts'
import type { PoliciesInForce } from './policies-in-force.ts'

/** In ms. Announcements are only hints, so each log is also read at this interval. */
const READ_INTERVAL_MS = 1000

/** Entries of the table that are examined in one turn of the event loop: about a millisecond. */
const KEYS_PER_TURN = 10_000

export interface FollowObserver {
  /** The process enforces this change from now on. */
  applied(event: PolicyEvent): void
  /** The process has followed the log up to this position. @param logEvents how many events the log holds */
  followed(partition: number, position: number, logEvents: number): void
  /** The log was replaced by another one, so the partition is reloaded. */
  logReplaced(partition: number): void
}

interface PolicyFollowerOptions {
  readonly log: EventLog
  readonly table: Pick<PoliciesInForce, 'get' | 'set' | 'delete' | 'configKeys'>
  readonly observer: FollowObserver
  /** Called for each event that the process enforces from now on. */
  onApplied(event: PolicyEvent): void
  /** Called for each policy that was read. */
  readonly damage: { repaired(key: string): void }
  /** Whether the error means that the store is unavailable, so that a retry may succeed. */
  isTransient(err: Error): boolean
  readonly logger: Logger
}

/** One partition's log, followed by one reader at a time. */
interface Partition {
  readonly number: number
  /** Absent until the policies are loaded, and during a reload. */
  at: LogPosition | undefined
  /** The end of the log at the last load, until it is confirmed: the table may have changes before it that a failover has lost. */
  loadedTo: LogPosition | undefined
  /** Whether the table may hold policies of the partition. */
  isInTable: boolean
  /** Whether the store has lost the identity of the log: there are events or policies, but no identity. A rebuild gives it another. */
  isAnonymous: boolean
  wasLoaded: boolean
  /** Answers of the store in the load that came furthest. */
  loadedSteps: number
  /** Whether it was logged that the log cannot be read. */
  isReportedUnreadable: boolean
  current: Promise<void>
  /** The catch-up that follows the current one, shared by all who ask meanwhile. */
  next: Promise<void> | undefined
}

/** Keeps the policy table equal to the logs: loads it once, then applies the events after its own position in order. */
export class PolicyFollower {
  readonly #options: PolicyFollowerOptions
  readonly #partitions: readonly Partition[]
  #timer: NodeJS.Timeout | undefined
  #firstLoadDone: () => void = () => undefined
  /** Resolves once every partition was loaded; an unavailable store only delays it. */
  readonly firstLoad = new Promise<void>(resolve => {
    this.#firstLoadDone = resolve
  })

  constructor(options: PolicyFollowerOptions) {
    this.#options = options
    this.#partitions = Array.from({ length: CONFIG_PARTITIONS }, (_, number) => ({
      number,
      at: undefined,
      loadedTo: undefined,
      isInTable: false,
      isAnonymous: false,
      wasLoaded: false,
      loadedSteps: 0,
      isReportedUnreadable: false,
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

  /** How far the first load has come. It only grows, also when a load begins again, and is bounded by what there is to load. */
  get loadedSteps(): number {
    return this.#partitions.reduce((sum, { loadedSteps }) => sum + loadedSteps, 0)
  }

  catchUpAll(): void {
    for (const { number } of this.#partitions) this.catchUp(number).catch(() => undefined)
  }

  /** Resolves once the process enforces every event that was in the log at the call. */
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
      await this.#readOrReload(partition)
      partition.isReportedUnreadable = false
    } catch (err) {
      if (!this.#options.isTransient(err as Error)) this.#reportUnreadable(partition, err)
      throw err
    }
  }

  async #readOrReload(partition: Partition): Promise<void> {
    try {
      await this.#readNewEvents(partition, partition.at ?? (await this.#load(partition)))
    } catch (err) {
      if (!this.#isReasonToReload(partition.number, err)) throw err
      partition.at = undefined
      await this.#load(partition)
    }
  }

  /** Whether the policies must be read from the projection, because the log no longer continues what was followed. */
  #isReasonToReload(partition: number, err: unknown): boolean {
    const { logger, observer } = this.#options
    if (err instanceof LogReplaced) {
      logger.warn({ partition, reason: err.message }, 'the log was replaced: reloading')
      observer.logReplaced(partition)
      return true
    }
    if (err instanceof LogCompacted) {
      logger.info({ partition, reason: err.message }, 'the log was compacted past this process: reloading')
      return true
    }
    if (err instanceof DamagedRecord) {
      logger.error({ partition, reason: err.message }, 'an event is damaged: reloading the policies')
      return true
    }
    return false
  }

  #reportUnreadable(partition: Partition, err: unknown): void {
    if (partition.isReportedUnreadable) return
    partition.isReportedUnreadable = true
    this.#options.logger.error({ partition: partition.number, ...faultFields(err) }, 'changes are not obeyed')
  }

  /** Makes the table equal to the projection, which is read in chunks so that checks continue in between. */
  async #load(partition: Partition): Promise<LogPosition> {
    const { log, table, damage } = this.#options
    let steps = 0
    const advance = () => {
      partition.loadedSteps = Math.max(partition.loadedSteps, ++steps)
    }
    const { at, chunks } = await log.snapshot(partition.number)
    advance()
    const wasInTable = partition.isInTable
    partition.isInTable = true
    const kept = new Set<string>()
    let loadedTo: LogPosition | undefined
    let isEmpty = at.position === 0
    for await (const { records, logEnd } of chunks) {
      advance()
      loadedTo = logEnd
      isEmpty &&= records.length === 0
      for (const { key, version, policy } of records) {
        table.set(key, version, policy)
        damage.repaired(key)
        if (wasInTable) kept.add(key)
      }
    }
    if (wasInTable) await this.#deleteOthers(partition.number, kept)
    partition.at = at
    partition.isAnonymous = at.identity === null && !isEmpty
    partition.loadedTo = loadedTo
    partition.wasLoaded = true
    if (this.isLoaded) this.#firstLoadDone()
    return at
  }

  async #deleteOthers(partition: number, kept: ReadonlySet<string>): Promise<void> {
    const { table } = this.#options
    let examined = 0
    for (const key of table.configKeys()) {
      if (configPartition(key) === partition && !kept.has(key)) table.delete(key)
      if (++examined % KEYS_PER_TURN === 0) await nextTurn()
    }
  }

  async #readNewEvents(partition: Partition, from: LogPosition): Promise<void> {
    for (let at = from, hasMore = true; hasMore; ) {
      const read = await this.#options.log.read(partition.number, at)
      if (partition.isAnonymous && read.at.identity !== null) throw new LogReplaced('the log has an identity again')
      for (const { event } of read.entries) this.#apply(event)
      ;({ at, hasMore } = read)
      partition.at = at
      this.#options.observer.followed(partition.number, at.position, read.logEvents)
    }
    await this.#confirmLoad(partition)
  }

  /** A failover may have lost changes that were made during the load. Then the log does not hold what the table does. */
  async #confirmLoad(partition: Partition): Promise<void> {
    const { number, loadedTo } = partition
    if (loadedTo === undefined) return
    await this.#options.log.read(number, loadedTo)
    partition.loadedTo = undefined
  }

  #apply(event: PolicyEvent): void {
    const { table, observer, onApplied, damage, logger } = this.#options
    damage.repaired(event.key)
    if ((table.get(event.key)?.version ?? 0) >= event.version) return
    if (event.policy === null) table.delete(event.key)
    else table.set(event.key, event.version, event.policy)
    observer.applied(event)
    onApplied(event)
    const { commandId, requestId, version } = event
    logger.debug({ commandId, requestId, version }, 'change obeyed')
  }
}
