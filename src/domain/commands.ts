import { CONFIG_PARTITIONS, configPartition } from './partition.ts'
import type { PolicyDefinition } from './policy.ts'

/** A caller's Idempotency-Key, which makes it safe to repeat a request. Each actor has its own keys. */
export interface Idempotency {
  readonly key: string
  /** A hash of everything that must be the same in a repetition. */
  readonly fingerprint: string
}

/** Who requests a change, and why. */
export interface Requested {
  readonly id: string
  /** The name of the caller's token; `anonymous` without tokens. */
  readonly actor: string
  readonly reason?: string
  /** The request that the command came with, so that logs can be followed from one to the other. */
  readonly requestId?: string
  readonly idempotency?: Idempotency
}

interface CommandBase extends Requested {
  readonly key: string
  readonly conditions?: Conditions
}

/** Preconditions on the key's policy. @see https://www.rfc-editor.org/rfc/rfc9110#section-13 */
export interface Conditions {
  /** The policy is at one of these versions; `*`: it exists. */
  readonly ifMatch?: readonly number[] | '*'
  /** The policy does not exist. */
  readonly ifNoneMatch?: '*'
}

export interface PutPolicy extends CommandBase {
  readonly type: 'put'
  readonly policy: PolicyDefinition
}

export interface DeletePolicy extends CommandBase {
  readonly type: 'delete'
}

/** Creates a new version that is equal to an earlier one. */
export interface RollBackPolicy extends CommandBase {
  readonly type: 'rollback'
  readonly version: number
}

/** A line of an import. */
export interface ImportPolicy extends CommandBase {
  readonly type: 'import'
  readonly policy: PolicyDefinition
}

/** A change of the policy of one config key. */
export type KeyCommand = PutPolicy | DeletePolicy | RollBackPolicy

/** A change of one config key, by itself or as a line of an import. */
export type Command = KeyCommand | ImportPolicy

/** One partition's lines of an import, staged in the policy store. */
export interface ImportPart extends Requested {
  readonly type: 'import-part'
  readonly importId: string
}

/** A command in a queue. */
export type QueuedCommand = KeyCommand | ImportPart

/** The id that the command's caller knows. */
export function callersId(command: { readonly id: string; readonly importId?: string | undefined }): string {
  return command.importId ?? command.id
}

type WithoutId<T> = T extends KeyCommand ? Omit<T, 'id' | 'idempotency'> : never
/** A command without an id. */
export type NewCommand = WithoutId<KeyCommand>

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
const COMMAND_ID = new RegExp(`^([0-9]{1,2})-${UUID}$`)
const IMPORT_ID = new RegExp(`^import-(${UUID})$`)

/** The id contains the partition, so an outcome is found by the id alone. */
export function commandId(configKey: string, uuid: string): string {
  return `${configPartition(configKey)}-${uuid}`
}

/** The partition in a command id; `undefined` if it is not a command id. */
export function partitionOfCommand(id: string): number | undefined {
  const partition = Number(COMMAND_ID.exec(id)?.[1])
  return partition < CONFIG_PARTITIONS ? partition : undefined
}

/** An import is one command for its caller, and one command in each partition. */
export function importId(uuid: string): string {
  return `import-${uuid}`
}

/** The ids of an import's parts, by partition; `undefined` if it is not an import id. */
export function partIds(importId: string): readonly string[] | undefined {
  const uuid = IMPORT_ID.exec(importId)?.[1]
  return uuid === undefined
    ? undefined
    : Array.from({ length: CONFIG_PARTITIONS }, (_, partition) => `${partition}-${uuid}`)
}
