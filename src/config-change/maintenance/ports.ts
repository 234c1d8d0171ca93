/** What verify, rebuild and compact need of a store. */
import type { PolicyRecord } from '../../domain/policy-record.ts'
import { OperatorError } from '../../lib/operator-error.ts'
import type { LogEntry, StoredEntry } from '../log-ports.ts'

/** The extent of a partition's log. */
export interface LogBounds {
  readonly identity: string | null
  /** Events up to this position are only in the snapshot; 0 if none is. */
  readonly compactedTo: number
  /** The position of the last event. */
  readonly last: number
  /** Distinguishes the last event from another one at its position; `null` if the log holds no event. */
  readonly lastEventMark: string | null
}

/** The log was replaced or compacted, or the store lost its last events, for instance in a failover. */
export class LogMovedOn extends OperatorError {}

/** An entry in a key's index of versions: the position of the version's event. */
export interface IndexedVersion {
  readonly version: number
  readonly position: number
}

/** A config key as the projection contains it. */
export interface FoundName {
  /** `undefined` if it cannot be a config key. */
  readonly key: string | undefined
  /** Why it cannot be one; `undefined` if it can. */
  readonly fault: string | undefined
  /** For reports. */
  readonly shown: string
}

/** A policy as the projection contains it. */
export interface FoundRecord {
  /** `undefined` if it is damaged. */
  readonly record: PolicyRecord | undefined
  /** For reports. */
  readonly shown: string
}

/** Whether a key is in the list of keys; `misplaced` if it is, but out of order. */
export type Listing = 'listed' | 'misplaced' | 'absent'

/** Everything that the projection contains of one config key. */
export interface FoundProjection {
  /** `undefined` if the key has no policy. */
  readonly policy: FoundRecord | undefined
  readonly listing: Listing
  /** In ascending order; `null` if the index has another type. */
  readonly versions: readonly IndexedVersion[] | null
  /** When its temporary policy ends, in ms since 1970; `undefined` if it is not listed as one. */
  readonly end: number | undefined
}

export interface ProjectionDamage {
  readonly where: 'policies' | 'names' | 'ends'
  readonly detail: string
}

/** The policy of a config key, or that it has none. */
export interface KeyPolicy {
  readonly key: string
  readonly record: PolicyRecord | undefined
}

/** A partition's event log with its snapshot. */
export interface MaintainedLog {
  /** Why the log cannot be read, or will be lost; empty if it is sound. */
  damage(): Promise<readonly string[]>
  /** Restores overwritten data about the log from the log itself, and keeps it from expiring. Returns what was repaired. */
  repair(): Promise<readonly string[]>
  bounds(): Promise<LogBounds>
  /** The last compacted event of each key, in chunks. */
  snapshot(): AsyncIterable<readonly StoredEntry[]>
  /** The oldest events that are not compacted. */
  oldest(): Promise<readonly StoredEntry[]>
  /**
   * Some events after those of a log that ended at these bounds, and the bounds at the last of them.
   * @throws {LogMovedOn} if that log does not continue: the last event before them must still be there
   */
  read(after: LogBounds): Promise<{ at: LogBounds; entries: readonly StoredEntry[] }>
  /**
   * Moves these events, which follow `from.compactedTo`, from the log to the snapshot; all or none of them.
   * @returns false if the log was replaced or compacted meanwhile, or lost its last event
   */
  fold(from: LogBounds, entries: readonly LogEntry[]): Promise<boolean>
}

/** What is derived from a partition's log: policies, the list of their keys, that of their ends, and the index of versions. */
export interface MaintainedProjection {
  /** Why policies, the list of keys or that of ends cannot be read at all, or will be lost; empty if they are sound. */
  damage(): Promise<readonly ProjectionDamage[]>
  /** Every policy, in chunks. */
  records(): AsyncIterable<readonly (readonly [name: FoundName, policy: FoundRecord])[]>
  /** Every listed key, in chunks. */
  names(): AsyncIterable<readonly (readonly [name: FoundName, listing: Listing])[]>
  /** Every listed end of a temporary policy, in chunks. */
  ends(): AsyncIterable<readonly (readonly [name: FoundName, end: number])[]>
  /** The keys that have an index of versions, in chunks. */
  indexedKeys(): AsyncIterable<readonly string[]>
  /** `null` as in `FoundProjection`. */
  versions(keys: readonly string[]): Promise<readonly (readonly IndexedVersion[] | null)[]>
  /** The projection of one key, and the bounds of the log at the same moment. */
  find(key: string): Promise<{ bounds: LogBounds; found: FoundProjection }>
  /** Begins a second set of policies, listed keys and ends next to those in use. */
  draft(): ProjectionDraft
  /** Replaces the key's index. @returns false, and changes nothing, if the log has changed or the store lost some of the new index */
  replaceVersions(key: string, versions: readonly IndexedVersion[], at: LogBounds): Promise<boolean>
}

/** Policies, listed keys and ends that are not in use yet. An abandoned draft expires. */
export interface ProjectionDraft {
  write(policies: readonly KeyPolicy[]): Promise<void>
  /**
   * Replaces what is in use by the draft, in one step, and changes the identity of the log, so that followers reload.
   * Changes nothing otherwise.
   */
  use(at: LogBounds, content: DraftContent): Promise<DraftUse>
}

/** `draft-lost`: the store does not have everything that was written to the draft, which may also have expired. */
export type DraftUse = 'used' | 'log-changed' | 'draft-lost'

/** What a draft holds any of. */
export interface DraftContent {
  readonly hasPolicies: boolean
  /** Of temporary policies. */
  readonly hasEnds: boolean
}

export interface MaintainedPartition {
  readonly number: number
  readonly log: MaintainedLog
  readonly projection: MaintainedProjection
}

/** Reports the progress of a long operation. */
export interface Progress {
  /** This many more keys or events were processed. */
  advanced(count: number): void
}
