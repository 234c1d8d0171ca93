import { type TSchema, Type } from '@sinclair/typebox'
import { type CommandId, parseImportId, partIds, partitionOf } from '../../domain/command-id.ts'
import type { QueuedCommand } from '../../domain/commands.ts'
import { configKeyFault } from '../../domain/key.ts'
import { configPartition } from '../../domain/partition.ts'
import { Problem } from '../../lib/errors.ts'
import { fieldErrors } from '../../lib/field-errors.ts'
import { validatorOf } from '../../lib/validator.ts'
import { PolicyRequest, toRequestedPolicy } from '../policy.schema.ts'
import { CommandFault } from './command-fault.ts'

const strict = { additionalProperties: false }
const version = Type.Integer({ minimum: 0 })
const policyTag = Type.Union([version, Type.String({ pattern: '^[0-9]+-ended$' })])

const requested = {
  id: Type.String(),
  actor: Type.String(),
  reason: Type.Optional(Type.String()),
  idempotency: Type.Optional(Type.Object({ key: Type.String(), fingerprint: Type.String() }, strict)),
}
const keyed = {
  ...requested,
  key: Type.String(),
  conditions: Type.Optional(
    Type.Object(
      {
        ifMatch: Type.Optional(Type.Union([Type.Array(policyTag), Type.Literal('*')])),
        ifNoneMatch: Type.Optional(Type.Literal('*')),
      },
      strict,
    ),
  ),
}

/** Validators of queued commands, by type. */
const validators = {
  put: validatorOf(command('put', { ...keyed, policy: PolicyRequest })),
  delete: validatorOf(command('delete', keyed)),
  rollback: validatorOf(command('rollback', { ...keyed, version })),
  expire: validatorOf(command('expire', { ...keyed, version })),
  'import-part': validatorOf(
    command('import-part', { ...requested, importId: Type.String(), prune: Type.Optional(Type.String()) }),
  ),
}

function command(type: string, properties: Record<string, TSchema>): TSchema {
  return Type.Object({ type: Type.Literal(type), ...properties }, strict)
}

/**
 * Reads a command from a queue, to which another program may have written.
 * @param id the id of the job, which is also that of the command
 * @throws {CommandFault}
 */
export function parseCommand(id: CommandId, value: unknown): QueuedCommand {
  const { type } = Object(value) as { type?: unknown }
  const validate = Object.hasOwn(validators, String(type)) ? validators[type as keyof typeof validators] : undefined
  if (validate === undefined) throw new CommandFault(`the job is not a command: its type is ${JSON.stringify(type)}`)
  if (!validate(value)) {
    const faults = fieldErrors(validate.errors ?? []).map(({ path, message }) => `${path}: ${message}`)
    throw new CommandFault(`the job is not a valid command: ${faults.join('; ')}`)
  }
  const command = value as QueuedCommand
  const fault = identityFault(id, command)
  if (fault !== undefined) throw new CommandFault(`the job is not a valid command: ${fault}`)
  return command.type === 'put' ? { ...command, policy: definitionOf(command.policy) } : command
}

function identityFault(id: CommandId, command: QueuedCommand): string | undefined {
  if (command.id !== id) return `its id is ${command.id}, the job's is ${id}`
  if (command.type === 'import-part') {
    const importId = parseImportId(command.importId)
    const isPart = importId !== undefined && partIds(importId).includes(id)
    return isPart ? undefined : `it is not a part of ${command.importId}`
  }
  const keyFault = configKeyFault(command.key)
  if (keyFault !== undefined) return keyFault.detail
  return configPartition(command.key) === partitionOf(id) ? undefined : 'its key belongs to another partition'
}

function definitionOf(policy: object) {
  try {
    return toRequestedPolicy(policy)
  } catch (err) {
    if (err instanceof Problem)
      throw new CommandFault(`the policy of the job is invalid: ${err.detail}`, { cause: err })
    throw err
  }
}
