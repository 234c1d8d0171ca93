import { CONFIG_PARTITIONS, configPartition } from './partition.ts'

declare const kind: unique symbol

/** The id of a command in a queue: a change of one key, or one part of an import. It contains the partition. */
export type CommandId = string & { readonly [kind]: 'command' }

/** The id of an import, which is one command for its caller and one command in each partition. */
export type ImportId = string & { readonly [kind]: 'import' }

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
const COMMAND_ID = new RegExp(`^([0-9]{1,2})-${UUID}$`)
const IMPORT_PREFIX = 'import-'
const IMPORT_ID = new RegExp(`^${IMPORT_PREFIX}${UUID}$`)

/** The id of a new command of this key. */
export function commandId(configKey: string, uuid: string): CommandId {
  return idIn(configPartition(configKey), uuid)
}

/** `undefined` if the text is not a command id. */
export function parseCommandId(text: string): CommandId | undefined {
  const partition = COMMAND_ID.exec(text)?.[1]
  return Number(partition) < CONFIG_PARTITIONS ? (text as CommandId) : undefined
}

/** The partition of a command: an outcome is found by the id alone. */
export function partitionOf(id: CommandId): number {
  return Number.parseInt(id, 10)
}

/** The id of a new import. */
export function importId(uuid: string): ImportId {
  return `${IMPORT_PREFIX}${uuid}` as ImportId
}

/** `undefined` if the text is not an import id. */
export function parseImportId(text: string): ImportId | undefined {
  return IMPORT_ID.test(text) ? (text as ImportId) : undefined
}

export function isImportId(id: CommandId | ImportId): id is ImportId {
  return id.startsWith(IMPORT_PREFIX)
}

/** The ids of an import's parts, by partition. */
export function partIds(id: ImportId): readonly CommandId[] {
  const uuid = id.slice(IMPORT_PREFIX.length)
  return Array.from({ length: CONFIG_PARTITIONS }, (_, partition) => idIn(partition, uuid))
}

function idIn(partition: number, uuid: string): CommandId {
  return `${partition}-${uuid}` as CommandId
}
