import type { PolicyEvent } from '../domain/events.ts'
import { CONFIG_PARTITIONS, configPartition } from '../domain/partition.ts'
import { compilePolicy } from '../domain/policy.ts'
import type { PolicyTable } from '../domain/policy-table.ts'
import type { Logger } from '../logger.ts'
import { type EventLog, type LogPosition, LogReplaced } from './ports.ts'

/** Announcements are only hints: each log is read this often whether one came or not, ms. */
const READ_INTERVAL_MS = 1000

export interface FollowObserver {
  /** A policy is obeyed from now on. */
  applied(event: PolicyEvent): void
  positionChanged(partition: number, position: number): void
  /** The log was another one, and the partition was loaded anew. */
  logReplaced(partition: number): void
}

interface PolicyFollowerOptions {
  readonly log: EventLog
  readonly table: PolicyTable
  readonly observer: FollowObserver
  readonly logger: Logger
}

/** One partition's log, followed by one reader at a time. */
interface Partition {
  readonly number: number
  /** Absent until it was loaded. */
  at?: LogPosition
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
    return this.#partitions.every(({ at }) => at !== undefined)
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
      if (partition.at === undefined) await this.#load(partition)
      else await this.#readOn(partition, partition.at)
    } catch (err) {
      if (!(err instanceof LogReplaced)) throw err
      this.#options.logger.warn(
        { partition: partition.number, reason: err.message },
        'the log was replaced: loading anew',
      )
      this.#options.observer.logReplaced(partition.number)
      await this.#load(partition)
    }
  }

  async #load(partition: Partition): Promise<void> {
    const { at, records } = await this.#options.log.snapshot(partition.number)
    const { table, observer } = this.#options
    const kept = new Set(records.map(({ key }) => key))
    for (const key of table.configKeys()) {
      if (configPartition(key) === partition.number && !kept.has(key)) table.delete(key)
    }
    for (const { key, version, policy } of records) table.set(compilePolicy(key, version, policy))
    partition.at = at
    observer.positionChanged(partition.number, at.position)
    if (this.isLoaded) this.#firstLoadDone()
  }

  async #readOn(partition: Partition, from: LogPosition): Promise<void> {
    let at = from
    for (;;) {
      const read = await this.#options.log.read(partition.number, at)
      for (const { event } of read.entries) this.#apply(event)
      at = read.at
      partition.at = at
      this.#options.observer.positionChanged(partition.number, at.position)
      if (read.entries.length === 0) return
    }
  }

  #apply(event: PolicyEvent): void {
    const { table, observer } = this.#options
    if ((table.get(event.key)?.version ?? 0) >= event.version) return
    if (event.policy === null) table.delete(event.key)
    else table.set(compilePolicy(event.key, event.version, event.policy))
    observer.applied(event)
  }
}
