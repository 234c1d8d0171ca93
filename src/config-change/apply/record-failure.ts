import { partIds, partitionOfCommand } from '../../domain/commands.ts'
import { configKeyFault } from '../../domain/key.ts'
import type { FailedCommand } from '../../domain/outcome.ts'
import { endedPart } from '../idempotency-keys.ts'
import { type CommandStore, DamagedStore, type IdempotencyScope, type IdempotencyStore, type Lease } from '../ports.ts'
import { CommandFault } from './command-fault.ts'

interface FailedAttempt {
  readonly id: string
  /** As it stands in the queue, whatever it is. */
  readonly command: unknown
  readonly err: unknown
  readonly lease: Lease
}

interface FailureOptions {
  readonly log: CommandStore
  readonly reservations: IdempotencyStore
  isTransient(err: Error): boolean
}

/**
 * Records that a command could not be processed, and how far its actor was then. Its name is kept for as long.
 * @returns false, and nothing is recorded, when the command has ended or the lease is lost
 */
export async function recordFailure(
  { id, command, err, lease }: FailedAttempt,
  { log, reservations, isTransient }: FailureOptions,
): Promise<boolean> {
  if (partitionOfCommand(id) === undefined) return true
  const key = keyOf(command)
  const failure: FailedCommand = {
    id,
    ...(key !== undefined && { key }),
    status: 'failed',
    error: {
      code: 'internal',
      detail: err instanceof CommandFault || err instanceof DamagedStore ? err.message : UNEXPECTED,
    },
    standing: await standing(),
  }
  if (!(await log.recordFailure(failure, lease))) return false
  await log.extendRetention(partIds(importIdOf(command) ?? '') ?? [])
  const name = nameOf(command)
  if (name !== undefined) await reservations.end(name, endedPart({ id, importId: importIdOf(command) }))
  return true

  async function standing(): Promise<number | null> {
    try {
      return await standingOf(id, command, log)
    } catch (err) {
      // What cannot be read must not keep the failure from being recorded.
      if (isTransient(err as Error)) throw err
      return null
    }
  }
}

const UNEXPECTED = 'the command could not be processed; the log of the service says more'

async function standingOf(id: string, command: unknown, log: CommandStore): Promise<number | null> {
  if (Object(command).type === 'import-part') return log.standing({ partition: partitionOfCommand(id) ?? 0 })
  const key = keyOf(command)
  return key === undefined ? null : log.standing({ key })
}

function keyOf(command: unknown): string | undefined {
  const key: unknown = Object(command).key
  return typeof key === 'string' && configKeyFault(key) === undefined ? key : undefined
}

function nameOf(command: unknown): IdempotencyScope | undefined {
  const { actor, idempotency } = Object(command) as Record<string, unknown>
  const { key } = Object(idempotency) as Record<string, unknown>
  return typeof actor === 'string' && typeof key === 'string' ? { actor, key } : undefined
}

function importIdOf(command: unknown): string | undefined {
  const { importId } = Object(command) as Record<string, unknown>
  return typeof importId === 'string' ? importId : undefined
}
