import type { CommandId, ImportId } from './command-id.ts'
import type { RequestedPolicy } from './temporary-policy.ts'

/** A caller's Idempotency-Key, which makes it safe to repeat a request. Each actor has its own keys. */
export interface Idempotency {
  readonly key: string
  /** A hash of everything that must be the same in a repetition. */
  readonly fingerprint: string
}

/** Who requests a change, and why. */
export interface Requested {
  /** The name of the caller's token; `anonymous` without tokens. */
  readonly actor: string
  readonly reason?: string
  /** The request that the command came with, so that logs can be followed from one to the other. */
  readonly requestId?: string
  /** The span in which the command is handled at present, for tracing. It is no part of the event. @see https://www.w3.org/TR/trace-context/ */
  readonly traceparent?: string
  readonly idempotency?: Idempotency
}

interface CommandBase extends Requested {
  /** Of the command, or of the import that it is a line of. */
  readonly id: CommandId | ImportId
  readonly key: string
  readonly conditions?: Conditions
}

/** The entity tag of a policy, without its quotes: its version, or that its version has ended. */
export type PolicyTag = number | `${number}-ended`

/** Preconditions on the key's policy. @see https://www.rfc-editor.org/rfc/rfc9110#section-13 */
export interface Conditions {
  /** The policy has one of these tags; `*`: it exists. */
  readonly ifMatch?: readonly PolicyTag[] | '*'
  /** The policy does not exist. */
  readonly ifNoneMatch?: '*'
}

export interface PutPolicy extends CommandBase {
  readonly id: CommandId
  readonly type: 'put'
  readonly policy: RequestedPolicy
}

export interface DeletePolicy extends CommandBase {
  readonly id: CommandId
  readonly type: 'delete'
}

/** Creates a new version that is equal to an earlier one. */
export interface RollBackPolicy extends CommandBase {
  readonly id: CommandId
  readonly type: 'rollback'
  readonly version: number
}

/** Records that the temporary policy of this version has ended, unless something else has changed the key. */
export interface ExpirePolicy extends CommandBase {
  readonly id: CommandId
  readonly type: 'expire'
  readonly version: number
}

/** A line of an import. */
export interface ImportPolicy extends CommandBase {
  readonly id: ImportId
  readonly type: 'import'
  readonly policy: RequestedPolicy
}

/** Deletes the policy of a config key that a pruning import does not name. */
export interface PrunePolicy extends CommandBase {
  readonly id: ImportId
  readonly type: 'prune'
}

/** What an import does to one config key. */
export type ImportCommand = ImportPolicy | PrunePolicy

/** A change of the policy of one config key. */
export type KeyCommand = PutPolicy | DeletePolicy | RollBackPolicy | ExpirePolicy

/** A change of one config key, by itself or as a part of an import. */
export type Command = KeyCommand | ImportCommand

/** One partition's lines of an import, staged in the policy store. */
export interface ImportPart extends Requested {
  readonly id: CommandId
  readonly type: 'import-part'
  readonly importId: ImportId
  /** The policies of config keys with this prefix are deleted, unless the file names them. Absent if the import does not prune. */
  readonly prune?: string
}

/** A command in a queue. */
export type QueuedCommand = KeyCommand | ImportPart

/** The id under which the caller knows a queued command. */
export function acceptedId(command: QueuedCommand): CommandId | ImportId {
  return command.type === 'import-part' ? command.importId : command.id
}

type WithoutId<T> = T extends KeyCommand ? Omit<T, 'id' | 'idempotency'> : never
/** A command without an id. */
export type NewCommand = WithoutId<KeyCommand>
