import { CONFIG_PARTITIONS, configPartition } from './partition.ts'
import type { PolicyDefinition } from './policy.ts'

/** The name that a caller gave a command, so that repeating it is safe; each actor has names of its own. */
export interface Idempotency {
  readonly key: string
  /** Of everything that must be the same in a repetition. */
  readonly fingerprint: string
}

/** Who asks for a change, and why. */
export interface Requested {
  readonly id: string
  /** The name of the token that asked, `anonymous` without tokens. */
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

/** What must hold of the key's policy for the command to be applied (RFC 9110, section 13). */
export interface Conditions {
  /** Any of these versions, or `*`: there is a policy. */
  readonly ifMatch?: readonly number[] | '*'
  /** There is no policy. */
  readonly ifNoneMatch?: '*'
}

export interface PutPolicy extends CommandBase {
  readonly type: 'put'
  readonly policy: PolicyDefinition
}

export interface DeletePolicy extends CommandBase {
  readonly type: 'delete'
}

/** Asks for a new version that is equal to an earlier one. */
export interface RollBackPolicy extends CommandBase {
  readonly type: 'rollback'
  readonly version: number
}

/** A line of an import. */
export interface ImportPolicy extends CommandBase {
  readonly type: 'import'
  readonly policy: PolicyDefinition
}

/** A request to change the policy of one config key, as it waits in a queue. */
export type KeyCommand = PutPolicy | DeletePolicy | RollBackPolicy

/** What one config key is asked for. */
export type Command = KeyCommand | ImportPolicy

/** One partition's lines of an import, which were staged in the config store. */
export interface ImportPart extends Requested {
  readonly type: 'import-part'
  readonly importId: string
}

/** What the queues hold. */
export type QueuedCommand = KeyCommand | ImportPart

/** The id that a command's caller knows. */
export function callersId(command: { readonly id: string; readonly importId?: string | undefined }): string {
  return command.importId ?? command.id
}

type WithoutId<T> = T extends KeyCommand ? Omit<T, 'id' | 'idempotency'> : never
/** What a new command is made of, before it has an id. */
export type NewCommand = WithoutId<KeyCommand>

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
const COMMAND_ID = new RegExp(`^([0-9]{1,2})-${UUID}$`)
const IMPORT_ID = new RegExp(`^import-(${UUID})$`)

/** An id names its command's partition, so that the outcome is found from the id alone. */
export function commandId(configKey: string, uuid: string): string {
  return `${configPartition(configKey)}-${uuid}`
}

/** The partition that a command id names, or `undefined` when it is no such id. */
export function partitionOfCommand(id: string): number | undefined {
  const partition = Number(COMMAND_ID.exec(id)?.[1])
  return partition < CONFIG_PARTITIONS ? partition : undefined
}

/** An import is one command for its caller, and one in each partition. */
export function importId(uuid: string): string {
  return `import-${uuid}`
}

/** The ids of an import's parts, by partition, or `undefined` when it is no import's id. */
export function partIds(importId: string): readonly string[] | undefined {
  const uuid = IMPORT_ID.exec(importId)?.[1]
  return uuid === undefined
    ? undefined
    : Array.from({ length: CONFIG_PARTITIONS }, (_, partition) => `${partition}-${uuid}`)
}
