/** What the change flow needs of a store to follow its event logs. */
import type { PolicyEvent } from '../domain/events.ts'
import type { CommandResult } from '../domain/outcome.ts'
import type { PolicyRecord } from '../domain/policy-record.ts'

/** A place in a partition's log, which also identifies the log. Only the position has a meaning outside of the adapter. */
export interface LogPosition {
  /** 0 is before the first event. */
  readonly position: number
  /** Changes when the log is replaced by another one. */
  readonly identity: string | null
  /** Distinguishes the event at this position from any other one. */
  readonly eventMark: string | null
}

export interface LogEntry {
  readonly position: number
  readonly event: PolicyEvent
}

/** An event that cannot be read. */
export interface DamagedEntry {
  readonly position: number
  readonly event?: undefined
  readonly damage: string
}

export type StoredEntry = LogEntry | DamagedEntry

/** Thrown by `EventLog.read` if the log is not the one that was followed. */
export class LogReplaced extends Error {
  override readonly name = 'LogReplaced'
}

/** Thrown by `EventLog.read` if events after the position were compacted before they were read. */
export class LogCompacted extends Error {
  override readonly name = 'LogCompacted'
}

export interface LogRead {
  /** The position of the last of the entries. */
  readonly at: LogPosition
  readonly entries: readonly LogEntry[]
  /** Whether there may be more to read. */
  readonly hasMore: boolean
  /** How many events the log holds. */
  readonly logEvents: number
}

/** Some of a partition's policies. */
export interface PolicyChunk {
  readonly records: readonly PolicyRecord[]
  /** The end of the log when they were read: every change that they show is before it. */
  readonly logEnd: LogPosition
}

/** The event log of each partition, as followers read it. */
export interface EventLog {
  /**
   * A position, and the present policies in chunks. Following the log from the position misses no change that is made meanwhile.
   * Damaged policies are left out.
   */
  snapshot(partition: number): Promise<{ at: LogPosition; chunks: AsyncIterable<PolicyChunk> }>
  /** Some events after a position. @throws {LogReplaced} @throws {LogCompacted} @throws {DamagedRecord} */
  read(partition: number, after: LogPosition): Promise<LogRead>
}

/** A partition's log has grown, or a command has ended. Announcements are only hints, since they may be lost. */
export interface Announcement {
  readonly partition: number
  /** Absent if the command has not ended yet. */
  readonly result?: CommandResult
  /** The span in which the command was applied, if it is traced. @see https://www.w3.org/TR/trace-context/ */
  readonly traceparent?: string
}

export interface Announcements {
  /** Also calls `reconnected` whenever announcements may have been missed. */
  subscribe(listener: { announced(announcement: Announcement): void; reconnected(): void }): void
}
