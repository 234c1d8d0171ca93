import type { LogEntry, StoredEntry } from '../ports.ts'

/** Where a partition's log stands. */
export interface LogBounds {
  readonly identity: string | null
  /** Events up to this position are in the snapshot only; 0 when none is. */
  readonly compactedTo: number
  /** The position of the last event. */
  readonly last: number
}

/** What the index of versions says of a key's version: where in the log its event stands, or stood. */
export interface IndexedVersion {
  readonly version: number
  readonly position: number
}

/** Where the projection names a config key. */
export interface FoundName {
  /** `undefined` if it is not valid UTF-8, so that no key can have it. */
  readonly key: string | undefined
  /** For reports. */
  readonly shown: string
}

/** What the projection says of one config key. */
export interface FoundProjection {
  /** The policy record as it is written, or `null` when there is none. */
  readonly record: string | null
  /** Its score among the names, which should be 0, or `null` when it is not among them. */
  readonly nameScore: number | null
  /** In ascending order; `null` if the key of the index is of another type. */
  readonly versions: readonly IndexedVersion[] | null
}

export interface ProjectionDamage {
  readonly where: 'policies' | 'names'
  readonly detail: string
}

/** A config key's policy record as it should be written, or `null` when the key has no policy. */
export interface KeyRecord {
  readonly key: string
  readonly record: string | null
}

/** A partition's event log with its snapshot. */
export interface MaintainedLog {
  /** Why the log cannot be read; empty if it can. */
  damage(): Promise<readonly string[]>
  /** Makes anew what is known of the log from the log itself, where it cannot be right. Returns what was repaired. */
  repair(): Promise<readonly string[]>
  bounds(): Promise<LogBounds>
  /** The last event of each key that was compacted, some at a time. */
  snapshot(): AsyncIterable<readonly StoredEntry[]>
  /** The events after a position, some at a time, and the bounds at that very moment. */
  read(after: number): Promise<{ bounds: LogBounds; entries: readonly StoredEntry[] }>
  /**
   * Moves these events, which follow `from.compactedTo`, from the log to the snapshot; all or none of them.
   * @returns false when the log was replaced or others had compacted it
   */
  fold(from: LogBounds, entries: readonly LogEntry[]): Promise<boolean>
}

/** What is made of a partition's log: policies, their names and the index of versions. Scans give some keys at a time. */
export interface MaintainedProjection {
  /** Why policies or names cannot be read at all; empty if they can. */
  damage(): Promise<readonly ProjectionDamage[]>
  records(): AsyncIterable<readonly (readonly [name: FoundName, record: string])[]>
  names(): AsyncIterable<readonly (readonly [name: FoundName, score: number])[]>
  /** The keys that have an index of versions. */
  indexedKeys(): AsyncIterable<readonly string[]>
  /** `null` as in `FoundProjection`. */
  versions(keys: readonly string[]): Promise<readonly (readonly IndexedVersion[] | null)[]>
  /** What it says of one key, and where the log stands, at the same moment. */
  find(key: string): Promise<{ bounds: LogBounds; found: FoundProjection }>
  /** Begins another set of policies and names beside those in use. */
  draft(): ProjectionDraft
  /** Makes the key's index say this. @returns false when the log stands elsewhere */
  replaceVersions(key: string, versions: readonly IndexedVersion[], at: LogBounds): Promise<boolean>
}

/** Policies and names that nobody uses yet. One that is left alone vanishes by itself. */
export interface ProjectionDraft {
  write(records: readonly KeyRecord[]): Promise<void>
  /**
   * Puts the draft in the place of what was in use, at once, and gives the log another identity, so that whoever holds policies
   * in memory loads them anew. @returns false when the log stands elsewhere
   */
  use(at: LogBounds): Promise<boolean>
}

export interface MaintainedPartition {
  readonly number: number
  readonly log: MaintainedLog
  readonly projection: MaintainedProjection
}

/** Hears how far a long work is. */
export interface Progress {
  /** So many keys or events more were gone through. */
  advanced(count: number): void
}
