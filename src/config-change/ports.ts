import type { QueuedCommand } from '../domain/commands.ts'
import type { PolicyState } from '../domain/decider.ts'
import type { PolicyEvent } from '../domain/events.ts'
import type { CommandResult, FailedCommand, ImportCounts, Outcome } from '../domain/outcome.ts'
import type { PolicyDefinition } from '../domain/policy.ts'
import { OperatorError } from '../lib/operator-error.ts'

/** A config key's current policy. */
export interface PolicyRecord {
  readonly key: string
  readonly version: number
  readonly policy: PolicyDefinition
  /** ISO 8601, UTC. */
  readonly updatedAt: string
  readonly updatedBy: string
}

/**
 * What is read to answer a request; always asks the store, so that what was answered as applied is seen. Lists leave out damaged
 * policies; who asks for one key gets a `DamagedRecord`.
 */
export interface PolicyReader {
  get(key: string): Promise<PolicyRecord | undefined>
  /** The event that made this version, or `undefined` when there never was one or it was compacted away. */
  version(key: string, version: number): Promise<PolicyEvent | undefined>
  /** In byte order of their keys: those with the prefix, after the key `after`, at most `limit`. */
  list(query: ListQuery): Promise<readonly PolicyRecord[]>
  /** Every policy, in byte order of the keys, some at a time. */
  all(): AsyncIterable<readonly PolicyRecord[]>
  /** The key's events after a version, oldest first, at most `limit`. */
  history(key: string, query: { after: number; limit: number }): Promise<readonly PolicyEvent[]>
  /** How many other policies stand under config keys that this prefix policy's prefix begins; 0 for an exact key. */
  countInside(configKey: string): Promise<number>
  /** The state that the next command would be decided on, but for what is queued. */
  state(key: string): Promise<PolicyState>
}

export interface ListQuery {
  readonly prefix: string
  readonly after: string | undefined
  readonly limit: number
}

export interface ResultReader {
  /** How a command ended, for as long as that is told. */
  ending(commandId: string): Promise<CommandResult | undefined>
}

/** What happens to one key: the state that was decided on, and the event unless nothing changes. */
export interface KeyChange {
  readonly key: string
  /** The append fails if the key has moved on. */
  readonly expectedVersion: number
  readonly event?: PolicyEvent
}

/** How far a part of an import has been applied. */
export interface ImportProgress {
  /** The staged chunk that comes next, from 0. */
  readonly nextChunk: number
  readonly counts: ImportCounts
}

/** Proof that a worker has a command: the token of its job's lock. It is lost when the worker stands still for too long. */
export type Lease = string

/** A key that is not at the version that was expected. */
export interface VersionMismatch {
  readonly key: string
  readonly expectedVersion: number
}

/** Why nothing was appended. */
export type NotAppended =
  /** The command had ended, with this outcome. */
  | { readonly kind: 'ended'; readonly outcome: Outcome }
  /** A key is at another version than the decision was made on. */
  | { readonly kind: 'moved-on'; readonly mismatch: VersionMismatch }
  /** Another worker may have the command, and may have ended it. */
  | { readonly kind: 'lease-lost' }
  /** The import is at another chunk. */
  | { readonly kind: 'progressed'; readonly progress: ImportProgress | undefined }

export type AppendResult = { readonly kind: 'appended' } | NotAppended

/** Where commands end: the log, its projection and the outcomes, changed together or not at all. */
export interface CommandStore {
  state(key: string): Promise<PolicyState>
  states(keys: readonly string[]): Promise<readonly PolicyState[]>
  version(key: string, version: number): Promise<PolicyEvent | undefined>
  /** Ends a command, if the lease still holds. */
  append(end: CommandEnd): Promise<AppendResult>
  /** Applies a chunk of an import's part, if the part has come so far and the lease still holds. */
  appendChunk(step: ImportStep): Promise<AppendResult>
  outcome(commandId: string): Promise<Outcome | undefined>
  progress(partId: string): Promise<ImportProgress | undefined>
  /** The failure of an earlier attempt. */
  failure(commandId: string): Promise<FailedCommand | undefined>
  /**
   * Also keeps the lines of an import's part no longer than its failure.
   * @returns false, and nothing is recorded, when the command has ended or the lease is lost
   */
  recordFailure(failure: FailedCommand, lease: Lease): Promise<boolean>
  /** Tells how these commands ended for as long as if they had just ended, as far as it is known. */
  extendRetention(commandIds: readonly string[]): Promise<void>
  /** Tells whoever waits that the command ended as failed. */
  announceFailure(commandId: string): Promise<void>
  /** How far the actor of a command is: its key's version, or for a part of an import the partition's position. */
  standing(actor: { readonly key: string } | { readonly partition: number }): Promise<number>
}

export interface CommandEnd {
  readonly outcome: Outcome
  readonly lease: Lease
  /** How far an import's part must be. */
  readonly from?: ImportProgress | undefined
  /** Of a command of one key. */
  readonly change?: KeyChange
}

export interface ImportStep {
  readonly partId: string
  readonly lease: Lease
  readonly from: ImportProgress | undefined
  readonly to: ImportProgress
  readonly changes: readonly KeyChange[]
}

/** The lines of an import between their validation and their being applied, in chunks, by part. */
export interface ImportStaging {
  add(partId: string, lines: readonly string[]): Promise<void>
  /** Ends each part's lines. What is not kept after that goes away by itself. */
  seal(partIds: readonly string[]): Promise<void>
  /** Keeps the lines until they are dropped. */
  keep(partIds: readonly string[]): Promise<void>
  /** Its lines; none behind the last chunk; `undefined` where nothing is staged. */
  chunk(partId: string, index: number): Promise<readonly string[] | undefined>
  drop(partIds: readonly string[]): Promise<void>
}

/** Which command a caller's Idempotency-Key stands for. */
export interface IdempotencyClaim {
  readonly commandId: string
  readonly fingerprint: string
}

export interface IdempotencyScope {
  readonly actor: string
  readonly key: string
}

export interface IdempotencyStore {
  /**
   * Takes the name for a command, unless it is taken. Returns what it stands for now. A name that is not kept expires, as its
   * command may never be queued.
   * @throws {DamagedRecord} if it is not known what it stands for: under a second command, the change could be applied twice
   */
  reserve(name: IdempotencyScope, reservation: IdempotencyClaim): Promise<IdempotencyClaim>
  /** The same for a command that is queued, which takes its name back where it is damaged. */
  restore(name: IdempotencyScope, reservation: IdempotencyClaim): Promise<IdempotencyClaim>
  /** The command is queued: the name is kept until the command has ended. */
  keep(name: IdempotencyScope, commandId: string): Promise<void>
  /** The command ended: the name is kept as long as its outcome. */
  end(name: IdempotencyScope, ended: EndedPart): Promise<void>
}

/** What ended: a command of one key, or a part of an import, which ends with the last of them. */
export interface EndedPart {
  /** The id that the caller knows. */
  readonly commandId: string
  readonly id: string
  /** How many parts the command has. */
  readonly parts: number
}

/** A place in a partition's log. `identity` changes when the log is another one; position 0 is before the first event. */
export interface LogPosition {
  readonly identity: string | null
  readonly position: number
  /** The event at `position` as it is written, to notice a log that was replaced. */
  readonly event: string | null
}

export interface LogEntry {
  readonly position: number
  readonly event: PolicyEvent
}

/** What is wrong with an event that cannot be read. */
export interface DamagedEntry {
  readonly position: number
  readonly event?: undefined
  readonly damage: string
}

export type StoredEntry = LogEntry | DamagedEntry

/** The store holds something that this service did not write. An operator has to act: it is not a bug, and no retry helps. */
export class DamagedStore extends OperatorError {}

/** A key of the store has another type than this service gives it. */
export class DamagedKey extends DamagedStore {}

/** A stored record, such as a policy or an event, is not valid JSON, or not of a shape that this release can use. */
export class DamagedRecord extends DamagedStore {}

/** Thrown by `EventLog.read` when the log is not the one that was followed. */
export class LogReplaced extends Error {
  override readonly name = 'LogReplaced'
}

/** Thrown by `EventLog.read` when events behind the position were compacted before they were read. */
export class LogCompacted extends Error {
  override readonly name = 'LogCompacted'
}

export interface LogRead {
  /** Behind the last of the entries. */
  readonly at: LogPosition
  readonly entries: readonly LogEntry[]
  /** Whether there may be more to read. */
  readonly hasMore: boolean
  /** How many events the log holds. */
  readonly logEvents: number
}

/** A partition's event log, as followers read it. */
export interface EventLog {
  /**
   * A position, and after it the current policies, some at a time: following from there loses nothing of what changes meanwhile.
   * Damaged policies are left out.
   */
  snapshot(partition: number): Promise<{ at: LogPosition; chunks: AsyncIterable<readonly PolicyRecord[]> }>
  /** The events after a position, some at a time. @throws {LogReplaced} @throws {LogCompacted} @throws {DamagedRecord} */
  read(partition: number, after: LogPosition): Promise<LogRead>
}

/** A partition's log has grown, or a command ended. Announcements may be lost; they are only hints. */
export interface Announcement {
  readonly partition: number
  /** The command that ended with it, unless it goes on. */
  readonly ending?: CommandResult
}

export interface Announcements {
  /** Also calls `reconnected` whenever announcements may have been missed before. */
  subscribe(listener: { announced(announcement: Announcement): void; reconnected(): void }): void
}

/** The mailboxes: one queue for each partition, each worked off in order. */
export interface CommandQueue {
  /** Returns once the command is as durable as the store. */
  add(command: QueuedCommand): Promise<void>
  /** The command while it waits or runs. */
  findQueued(commandId: string): Promise<{ readonly key?: string } | undefined>
}
