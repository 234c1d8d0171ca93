/** What the change flow needs of a store and a queue to decide commands; log-ports.ts has what it needs to follow them. */
import type { CommandId, ImportId } from '../domain/command-id.ts'
import type { QueuedCommand } from '../domain/commands.ts'
import type { PolicyState } from '../domain/decider.ts'
import type { PolicyEvent } from '../domain/events.ts'
import type { CommandResult, FailedCommand, Outcome, StoredCounts } from '../domain/outcome.ts'
import type { PolicyRecord } from '../domain/policy-record.ts'

/** The state on which commands are decided. */
export interface StateReader {
  state(key: string): Promise<PolicyState>
  /** @param keys of one partition */
  states(keys: readonly string[]): Promise<readonly PolicyState[]>
  /** The event that created this version; `undefined` if there never was one, or if it was compacted. */
  version(key: string, version: number): Promise<PolicyEvent | undefined>
  /** The version of a key, also if its policy is damaged; 0 before its first event. */
  keyRevision(key: string): Promise<number>
  /** The position of a partition's last event; 0 before the first one. */
  partitionRevision(partition: number): Promise<number>
  /**
   * The position of each key's last event in the log of its partition; 0 before its first event.
   * @param keys of one partition
   */
  lastPositions(keys: readonly string[]): Promise<readonly number[]>
  /**
   * The config keys that may have a policy, in byte order, in chunks of at most 100. They include those whose policy has ended without
   * one to follow, until the end is recorded, and those with a damaged policy.
   */
  keys(range: KeyRange): AsyncIterable<readonly string[]>
}

/** Config keys with a prefix. */
export interface KeyRange {
  readonly prefix: string
  /** Only keys that follow this one in byte order. */
  readonly after?: string | undefined
  /** Only keys of this partition. */
  readonly partition?: number
}

/** A temporary policy whose end is not recorded yet. */
export interface DueEnd {
  readonly key: string
  readonly version: number
}

export interface EndReader {
  /** Temporary policies of a partition that have ended, at most `limit`. */
  dueEnds(partition: number, limit: number): Promise<readonly DueEnd[]>
}

/**
 * Reads for requests. Every call asks the store, so a change that was reported as applied is visible. Lists leave out damaged
 * policies; reading a single damaged policy throws `DamagedRecord`. A temporary policy that has ended reads as what follows it, also
 * before its end is recorded.
 */
export interface PolicyReader extends Pick<StateReader, 'state' | 'version'> {
  get(key: string): Promise<PolicyRecord | undefined>
  /** At most `limit` policies whose keys have the prefix and follow `after`, in byte order of the keys. */
  list(query: ListQuery): Promise<readonly PolicyRecord[]>
  /** Every policy, in byte order of the keys, in chunks. */
  all(): AsyncIterable<readonly PolicyRecord[]>
  /** At most `limit` events of the key after a version, oldest first. */
  history(key: string, query: { after: number; limit: number }): Promise<readonly PolicyEvent[]>
  /** How many other policies have config keys within the prefix of this config key; 0 for an exact key. */
  countInside(configKey: string): Promise<number>
}

export interface ListQuery {
  readonly prefix: string
  readonly after: string | undefined
  readonly limit: number
}

export interface ResultReader {
  /** The result of a command, for as long as it is retained. */
  result(id: CommandId): Promise<CommandResult | undefined>
}

/** A decision about one key: the version on which it is based, and its event unless nothing changes. */
export interface KeyChange {
  readonly key: string
  /** The append fails if the key is at another version. */
  readonly expectedVersion: number
  readonly event?: PolicyEvent
}

/** How far a part of an import has been applied. */
export interface ImportProgress {
  /** Index of the next staged chunk, from 0. */
  readonly nextChunk: number
  readonly counts: StoredCounts
  /** The last config key that was pruned, once all chunks are applied. Keys are pruned in byte order. */
  readonly prunedTo?: string
}

/** Proof that a worker holds a command: the token of its job's lock, which a suspended worker loses. */
export type Lease = string

/** A key that is not at the expected version. */
export interface VersionMismatch {
  readonly key: string
  readonly expectedVersion: number
}

/** Why nothing was appended. */
export type NotAppended =
  /** The command had already ended, with this outcome. */
  | { readonly kind: 'ended'; readonly outcome: Outcome }
  /** A key is not at the version on which the decision is based. */
  | { readonly kind: 'moved-on'; readonly mismatch: VersionMismatch }
  /** Another worker may hold the command, or may have ended it. */
  | { readonly kind: 'lease-lost' }
  /** The import is at another chunk. */
  | { readonly kind: 'progressed'; readonly progress: ImportProgress | undefined }

export type AppendResult = { readonly kind: 'appended' } | NotAppended

/** Applies commands and records their results. Each call takes effect as a whole or not at all. */
export interface CommandStore {
  /** Ends a command, if the worker holds the lease: appends the event, updates the projection, records and announces the outcome. */
  append(end: CommandEnd): Promise<AppendResult>
  /** Applies a chunk of an import's part, if the part is at this chunk and the worker holds the lease. */
  appendChunk(step: ImportStep): Promise<AppendResult>
  outcome(id: CommandId): Promise<Outcome | undefined>
  progress(partId: CommandId): Promise<ImportProgress | undefined>
  /** The failure of an earlier attempt. */
  failure(id: CommandId): Promise<FailedCommand | undefined>
  /**
   * Records a failure. The staged lines of an import's part expire with it.
   * @returns false, and records nothing, if the command has ended or the lease is lost
   */
  recordFailure(failure: FailedCommand, lease: Lease): Promise<boolean>
  /** Retains the results of these commands for as long as if they had just ended. */
  extendRetention(ids: readonly CommandId[]): Promise<void>
  /** Announces a recorded failure to requests that wait for the command. */
  announceFailure(id: CommandId): Promise<void>
}

export interface CommandEnd {
  readonly outcome: Outcome
  /** The span in which the command was applied; goes with the announcement. */
  readonly traceparent?: string | undefined
  readonly lease: Lease
  /** Expected progress of an import's part. */
  readonly from?: ImportProgress | undefined
  /** Absent for a part of an import. */
  readonly change?: KeyChange
}

export interface ImportStep {
  readonly partId: CommandId
  readonly lease: Lease
  readonly from: ImportProgress | undefined
  readonly to: ImportProgress
  readonly changes: readonly KeyChange[]
}

/** How much was added to a part of an import. */
export interface AddedPart {
  readonly id: CommandId
  readonly chunks: number
  /** Config keys that its lines name; absent if the import does not prune. */
  readonly names?: number | undefined
}

/** The validated lines of an import until they are applied, in chunks for each part. */
export interface ImportStaging {
  add(partId: CommandId, lines: readonly string[]): Promise<void>
  /**
   * Marks the lines of each part as complete. They expire unless they are kept.
   * @returns false if the store does not hold exactly what was added to a part: it lost some of it, or added some of it twice
   */
  seal(parts: readonly AddedPart[]): Promise<boolean>
  /** Whether the store holds all lines and names of a part. */
  isSealed(partId: CommandId): Promise<boolean>
  /** Keeps the lines until they are dropped. */
  keep(partIds: readonly CommandId[]): Promise<void>
  /** The lines of a chunk; empty after the last chunk; `undefined` if no such chunk is staged. */
  chunk(partId: CommandId, index: number): Promise<readonly string[] | undefined>
  drop(partIds: readonly CommandId[]): Promise<void>
  /**
   * Records config keys that the lines of a part name, for an import that prunes. Each of its parts has names, of no keys if it has no
   * lines, before the parts are sealed.
   */
  addNames(partId: CommandId, keys: readonly string[]): Promise<void>
  /** Those of the keys that the lines of a part do not name; `undefined` if the part has no names. */
  unnamed(partId: CommandId, keys: readonly string[]): Promise<readonly string[] | undefined>
}

/** The command that has claimed an Idempotency-Key. */
export interface IdempotencyClaim {
  readonly commandId: CommandId | ImportId
  readonly fingerprint: string
}

/** Each actor has its own Idempotency-Keys. */
export interface IdempotencyScope {
  readonly actor: string
  readonly key: string
}

export interface IdempotencyStore {
  /**
   * Claims the key for a command, unless it is claimed. Returns the claim in force. A claim expires unless it is kept, since its
   * command may never be queued.
   * @throws {DamagedRecord} if the stored claim is damaged: with a second command, the change could be applied twice
   */
  claim(scope: IdempotencyScope, claim: IdempotencyClaim): Promise<IdempotencyClaim>
  /** The same for a command that is already queued; it replaces a damaged claim. */
  reclaim(scope: IdempotencyScope, claim: IdempotencyClaim): Promise<IdempotencyClaim>
  /** Keeps the claim until the command has ended. */
  keep(scope: IdempotencyScope, commandId: CommandId | ImportId): Promise<void>
  /** Retains the claim for as long as the outcome, once every part of the command has ended. */
  end(scope: IdempotencyScope, ended: EndedPart): Promise<void>
}

/** A command of one key, or a part of an import, that has ended. */
export interface EndedPart {
  /** The id that the caller knows. */
  readonly commandId: CommandId | ImportId
  readonly id: CommandId
  /** How many parts the command has. */
  readonly parts: number
}

/** One queue for each partition. Its commands run one at a time, in the order in which they were added. */
export interface CommandQueue {
  /** Resolves once the command is as durable as the store. */
  add(command: QueuedCommand): Promise<void>
  /** The same for a command that somebody may have added, or tried to. It has no effect on a queued command. */
  addAgain(command: QueuedCommand): Promise<void>
  /** The command while it waits or runs. */
  findQueued(id: CommandId): Promise<{ readonly key?: string } | undefined>
}
