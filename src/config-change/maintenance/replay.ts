import { isDeepStrictEqual } from 'node:util'
import { DefinitionPool } from '../../domain/definition-pool.ts'
import type { PolicyEvent } from '../../domain/events.ts'
import { configPartition } from '../../domain/partition.ts'
import { type PolicyRecord, recordOf } from '../../domain/policy-record.ts'
import { isTemporary } from '../../domain/temporary-policy.ts'
import type { LogEntry, StoredEntry } from '../log-ports.ts'
import {
  type DraftContent,
  type IndexedVersion,
  type LogBounds,
  LogMovedOn,
  type MaintainedLog,
  type Progress,
} from './ports.ts'

/** Attempts to replay a log that moves on meanwhile. */
const MAX_ATTEMPTS = 20

/** One key according to the log. */
interface ReplayedKey {
  readonly version: number
  /** `undefined` after a deletion. */
  readonly record: PolicyRecord | undefined
  readonly versions: IndexedVersion[]
}

/** A partition according to its log: the snapshot and every event after it, applied to the initial state. */
export class Replay {
  readonly #log: MaintainedLog
  readonly #partition: number
  readonly #progress: Progress
  readonly #keys = new Map<string, ReplayedKey>()
  readonly #definitions = new DefinitionPool()
  /** Each command together with a key that it changed. */
  readonly #applied = new Set<string>()
  /** Faults of the log itself. */
  readonly faults: string[] = []
  /** Whether every event could be read. If not, the state of some key is not known. */
  isComplete = true
  #at: LogBounds

  /** @param begin the bounds of the log before its snapshot is read */
  private constructor(log: MaintainedLog, begin: LogBounds, partition: number, progress: Progress) {
    this.#log = log
    this.#at = { ...begin, last: begin.compactedTo, lastEventMark: null }
    this.#partition = partition
    this.#progress = progress
  }

  static async of(log: MaintainedLog, partition: number, progress: Progress): Promise<Replay> {
    for (let attempt = 1; ; attempt++) {
      try {
        const begin = await log.bounds()
        const replay = new Replay(log, begin, partition, progress)
        await replay.#readSnapshot()
        // Otherwise, the snapshot is not that of this log.
        await log.read(begin)
        await replay.catchUp()
        return replay
      } catch (err) {
        if (!(err instanceof LogMovedOn) || attempt === MAX_ATTEMPTS) throw err
      }
    }
  }

  /** A store may return an entry twice, which `versionsOf` does not show: it begins with the last one that is compacted. */
  async #readSnapshot(): Promise<void> {
    for await (const entries of this.#log.snapshot()) {
      for (const entry of entries) if (this.#isReadable(entry)) this.#apply(entry)
      this.#progress.advanced(entries.length)
    }
  }

  /**
   * Applies the events that were appended meanwhile.
   * @param onEntries called for them too
   * @returns whether there were any, or a compaction
   * @throws {LogMovedOn}
   */
  async catchUp(onEntries: (entries: readonly StoredEntry[]) => Promise<void> = async () => {}): Promise<boolean> {
    const before = this.#at
    for (;;) {
      const { at, entries } = await this.#log.read(this.#at)
      let { last } = this.#at
      this.#at = at
      if (entries.length === 0) return !isDeepStrictEqual(at, before)
      for (const entry of entries) {
        this.#follow(entry, last)
        last = entry.position
      }
      await onEntries(entries)
      this.#progress.advanced(entries.length)
    }
  }

  /** The bounds up to which the log was replayed. */
  get at(): LogBounds {
    return this.#at
  }

  /** Every key that ever had a policy. */
  get keys(): Iterable<string> {
    return this.#keys.keys()
  }

  /** The keys that have a policy. */
  *livingKeys(): Generator<string> {
    for (const [key, { record }] of this.#keys) if (record !== undefined) yield key
  }

  /** The keys that have a temporary policy. */
  *temporaryKeys(): Generator<string> {
    for (const [key, { record }] of this.#keys) if (record !== undefined && isTemporary(record.policy)) yield key
  }

  /** What a projection of the log contains. */
  get content(): DraftContent {
    const isAny = (keys: Generator<string>) => keys.next().done === false
    return { hasPolicies: isAny(this.livingKeys()), hasEnds: isAny(this.temporaryKeys()) }
  }

  has(key: string): boolean {
    return this.#keys.has(key)
  }

  /** The record that the projection should contain; `undefined` if the key has no policy. */
  recordOf(key: string): PolicyRecord | undefined {
    return this.#keys.get(key)?.record
  }

  /** What the index of a key should contain if the log is compacted to this position: its last compacted version and all later ones. */
  versionsOf(key: string, compactedTo = this.#at.compactedTo): readonly IndexedVersion[] {
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

  #follow(entry: StoredEntry, last: number): void {
    const { position } = entry
    if (position !== last + 1) this.faults.push(`position ${position} follows position ${last}`)
    if (!this.#isReadable(entry)) return
    const { event } = entry
    const version = this.#keys.get(event.key)?.version ?? 0
    if (event.version !== version + 1) {
      this.faults.push(
        `position ${position} changes "${event.key}" from version ${version} to version ${event.version}`,
      )
    }
    const partition = configPartition(event.key)
    if (partition !== this.#partition) {
      this.faults.push(`position ${position} changes "${event.key}", which belongs to partition ${partition}`)
    }
    if (this.#applied.has(applicationOf(event))) {
      this.faults.push(`position ${position} applies command ${event.commandId} to "${event.key}" a second time`)
    }
    this.#apply(entry)
  }

  #apply({ position, event }: LogEntry): void {
    const { key, version } = event
    this.#applied.add(applicationOf(event))
    const versions = this.#keys.get(key)?.versions ?? []
    versions.push({ version, position })
    this.#keys.set(key, { version, record: this.#pooled(recordOf(event)), versions })
  }

  /** Equal lasting policies share one definition, which saves memory. */
  #pooled(record: PolicyRecord | undefined): PolicyRecord | undefined {
    if (record === undefined || isTemporary(record.policy)) return record
    return { ...record, policy: this.#definitions.take(record.policy).definition }
  }
}

function applicationOf({ commandId, key }: PolicyEvent): string {
  return `${commandId} ${key}`
}
