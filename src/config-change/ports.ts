import type { Command } from '../domain/commands.ts'
import type { PolicyState } from '../domain/decider.ts'
import type { PolicyEvent } from '../domain/events.ts'
import type { Outcome } from '../domain/outcome.ts'
import type { PolicyDefinition } from '../domain/policy.ts'

/** A config key's current policy. */
export interface PolicyRecord {
  readonly key: string
  readonly version: number
  readonly policy: PolicyDefinition
  /** ISO 8601, UTC. */
  readonly updatedAt: string
  readonly updatedBy: string
}

/** What is read to answer a request; always asks the store, so that what was answered as applied is seen. */
export interface PolicyReader {
  get(key: string): Promise<PolicyRecord | undefined>
  /** The event that made this version, or `undefined` when there never was one or it was compacted away. */
  version(key: string, version: number): Promise<PolicyEvent | undefined>
  /** In byte order of their keys: those with the prefix, after the key `after`, at most `limit`. */
  list(query: { prefix: string; after: string | undefined; limit: number }): Promise<readonly PolicyRecord[]>
  outcome(commandId: string): Promise<Outcome | undefined>
}

export interface Append {
  /** The state that was decided on; the append fails if the key has moved on. */
  readonly expectedVersion: number
  /** Absent when the command changes nothing. */
  readonly event?: PolicyEvent
  readonly outcome: Outcome
}

export type AppendResult =
  | { readonly kind: 'ended'; readonly outcome: Outcome }
  /** The command had been ended before: its first outcome. */
  | { readonly kind: 'repeated'; readonly outcome: Outcome }
  | { readonly kind: 'moved-on' }

/** Where commands end: the log, its projection and the outcomes, changed together or not at all. */
export interface CommandLog {
  load(key: string): Promise<PolicyState>
  append(append: Append): Promise<AppendResult>
}

/** A place in a partition's log. `identity` changes when the log is another one; position 0 is before the first event. */
export interface LogPosition {
  readonly identity: string | null
  readonly position: number
  /** The command whose event stands at `position`, to notice a log that was replaced. */
  readonly commandId: string | null
}

export interface LogEntry {
  readonly position: number
  readonly event: PolicyEvent
}

/** Thrown by `EventLog.read` when the log is not the one that was followed. */
export class LogReplaced extends Error {
  override readonly name = 'LogReplaced'
}

/** A partition's event log, as followers read it. */
export interface EventLog {
  /** The current policies, and a position from which following them loses nothing. */
  snapshot(partition: number): Promise<{ at: LogPosition; records: readonly PolicyRecord[] }>
  /** The events after a position, some at a time. @throws {LogReplaced} */
  read(partition: number, after: LogPosition): Promise<{ at: LogPosition; entries: readonly LogEntry[] }>
}

/** A command ended at this position of its partition. Announcements may be lost; they are only hints. */
export interface Announcement {
  readonly partition: number
  readonly position: number
  readonly outcome: Outcome
}

export interface Announcements {
  /** Also calls `reconnected` whenever announcements may have been missed before. */
  subscribe(listener: { announced(announcement: Announcement): void; reconnected(): void }): void
}

/** The mailboxes: one queue for each partition, each worked off in order. */
export interface CommandQueue {
  /** Returns once the command is as durable as the store. */
  add(command: Command, requestId: string): Promise<void>
  /** The command while it waits or runs. */
  findQueued(commandId: string): Promise<{ key: string } | undefined>
}
