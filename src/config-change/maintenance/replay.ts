import { DefinitionPool } from '../../domain/definition-pool.ts'
import type { PolicyEvent } from '../../domain/events.ts'
import { configPartition } from '../../domain/partition.ts'
import type { PolicyDefinition } from '../../domain/policy.ts'
import { OperatorError } from '../../lib/operator-error.ts'
import type { LogEntry, StoredEntry } from '../ports.ts'
import type { IndexedVersion, LogBounds, MaintainedLog, Progress } from './ports.ts'

/** The log was replaced or compacted while it was read. */
export class LogMovedOn extends OperatorError {}

/** A log that is compacted all the time must let a reading through some time. */
const MAX_ATTEMPTS = 20

/** What the log says of one key. */
interface ReplayedKey {
  readonly version: number
  readonly policy: PolicyDefinition | null
  readonly updatedAt: string
  readonly updatedBy: string
  readonly versions: IndexedVersion[]
}

/** A partition as its log says it is: its snapshot and every event after it, applied to nothing. */
export class Replay {
  readonly #log: MaintainedLog
  readonly #partition: number
  readonly #progress: Progress
  readonly #keys = new Map<string, ReplayedKey>()
  readonly #definitions = new DefinitionPool()
  /** Each command with each key that it changed. */
  readonly #applied = new Set<string>()
  /** What is wrong with the log itself. */
  readonly faults: string[] = []
  /** Whether every event could be read; else it is not known what the log says of some key. */
  isComplete = true
  #identity: string | null = null
  #position = 0
  #compactedTo = 0

  private constructor(log: MaintainedLog, partition: number, progress: Progress) {
    this.#log = log
    this.#partition = partition
    this.#progress = progress
  }

  static async of(log: MaintainedLog, partition: number, progress: Progress): Promise<Replay> {
    for (let attempt = 1; ; attempt++) {
      const replay = new Replay(log, partition, progress)
      try {
        await replay.#begin()
        return replay
      } catch (err) {
        if (!(err instanceof LogMovedOn) || attempt === MAX_ATTEMPTS) throw err
      }
    }
  }

  async #begin(): Promise<void> {
    const begin = await this.#log.bounds()
    for await (const entries of this.#log.snapshot()) {
      for (const entry of entries) if (this.#isReadable(entry)) this.#apply(entry)
      this.#progress.advanced(entries.length)
    }
    const { bounds } = await this.#log.read(begin.compactedTo)
    if (bounds.compactedTo !== begin.compactedTo) throw new LogMovedOn('the log was compacted while it was read')
    this.#identity = begin.identity
    this.#position = begin.compactedTo
    await this.catchUp()
  }

  /** Applies what came since. @param onEntries hears of it as well */
  async catchUp(onEntries: (entries: readonly StoredEntry[]) => Promise<void> = async () => {}): Promise<void> {
    for (;;) {
      const { bounds, entries } = await this.#log.read(this.#position)
      if (bounds.compactedTo > this.#position) throw new LogMovedOn('the log was compacted while it was read')
      if (bounds.identity !== this.#identity) throw new LogMovedOn('the log was replaced while it was read')
      this.#compactedTo = bounds.compactedTo
      if (entries.length === 0) return
      for (const entry of entries) this.#follow(entry)
      await onEntries(entries)
      this.#progress.advanced(entries.length)
    }
  }

  /** Up to where the log was replayed. */
  get at(): LogBounds {
    return { identity: this.#identity, compactedTo: this.#compactedTo, last: this.#position }
  }

  /** Every key that ever had a policy. */
  get keys(): Iterable<string> {
    return this.#keys.keys()
  }

  /** The keys that have a policy. */
  *livingKeys(): Iterable<string> {
    for (const [key, { policy }] of this.#keys) if (policy !== null) yield key
  }

  has(key: string): boolean {
    return this.#keys.has(key)
  }

  /** The key's policy record as it should be written, or `null` when it has no policy. */
  recordOf(key: string): string | null {
    const { policy = null, version, updatedAt, updatedBy } = this.#keys.get(key) ?? {}
    return policy && JSON.stringify({ version, policy, updatedAt, updatedBy })
  }

  /** What the index should say of a key where the log is compacted so far: the last version of the snapshot, and all after it. */
  versionsOf(key: string, compactedTo = this.#compactedTo): readonly IndexedVersion[] {
    const versions = this.#keys.get(key)?.versions ?? []
    const firstKept = versions.findLastIndex(({ position }) => position <= compactedTo)
    return versions.slice(Math.max(0, firstKept))
  }

  #isReadable(entry: StoredEntry): entry is LogEntry {
    if (entry.event !== undefined) return true
    this.faults.push(entry.damage)
    this.isComplete = false
    return false
  }

  #follow(entry: StoredEntry): void {
    const { position } = entry
    if (position !== this.#position + 1) this.faults.push(`position ${position} follows position ${this.#position}`)
    this.#position = position
    if (!this.#isReadable(entry)) return
    const { event } = entry
    const version = this.#keys.get(event.key)?.version ?? 0
    if (event.version !== version + 1) {
      this.faults.push(`position ${position} makes version ${event.version} of "${event.key}" of version ${version}`)
    }
    const partition = configPartition(event.key)
    if (partition !== this.#partition) {
      this.faults.push(`position ${position} is of "${event.key}", which belongs to partition ${partition}`)
    }
    if (this.#applied.has(applicationOf(event))) {
      this.faults.push(`position ${position} applies command ${event.commandId} to "${event.key}" a second time`)
    }
    this.#apply(entry)
  }

  #apply({ position, event }: LogEntry): void {
    const { key, version, policy, at, actor } = event
    this.#applied.add(applicationOf(event))
    const versions = this.#keys.get(key)?.versions ?? []
    versions.push({ version, position })
    const definition = policy === null ? null : this.#definitions.take(policy).definition
    this.#keys.set(key, { version, policy: definition, updatedAt: at, updatedBy: actor, versions })
  }
}

function applicationOf({ commandId, key }: PolicyEvent): string {
  return `${commandId} ${key}`
}
