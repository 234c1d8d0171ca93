import { configPartition } from './partition.ts'
import type { PolicyDefinition } from './policy.ts'

interface CommandBase {
  readonly id: string
  readonly key: string
  /** The name of the token that asked, `anonymous` without tokens. */
  readonly actor: string
  readonly reason?: string
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

/** A request to change the policy of one config key. */
export type Command = PutPolicy | DeletePolicy

/** What a new command is made of, before it has an id. */
export type NewCommand = Omit<PutPolicy, 'id'> | Omit<DeletePolicy, 'id'>

const COMMAND_ID = /^([0-9]{1,2})-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** An id names its command's partition, so that the outcome is found from the id alone. */
export function commandId(configKey: string, uuid: string): string {
  return `${configPartition(configKey)}-${uuid}`
}

/** The partition that a command id names, or `undefined` when it is no such id. */
export function partitionOfCommand(id: string): number | undefined {
  const match = COMMAND_ID.exec(id)
  return match ? Number(match[1]) : undefined
}
