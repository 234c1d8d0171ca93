import { type CommandId, type ImportId, parseImportId, partIds, partitionOf } from '../../domain/command-id.ts'
import { configKeyFault } from '../../domain/key.ts'
import type { FailedCommand } from '../../domain/outcome.ts'
import { DamagedStore } from '../damaged-store.ts'
import type { CommandStore, IdempotencyScope, IdempotencyStore, Lease, StateReader } from '../ports.ts'
import { CommandFault } from './command-fault.ts'

interface FailedAttempt {
  readonly id: CommandId
  /** The content of the job, which may be malformed. */
  readonly command: unknown
  readonly err: unknown
  readonly lease: Lease
}

interface FailureOptions {
  readonly reader: StateReader
  readonly store: CommandStore
  readonly idempotency: IdempotencyStore
  isTransient(err: Error): boolean
}

const UNEXPECTED = 'the command could not be processed; the log of the service says more'

/**
 * Records that a command could not be processed, with the revision of what it would have changed at its first failure. Its
 * Idempotency-Key is retained for as long as the failure.
 * @returns false, and records nothing, if the command has ended or the lease is lost
 */
export async function recordFailure(attempt: FailedAttempt, options: FailureOptions): Promise<boolean> {
  const { id, command, err, lease } = attempt
  const { store, idempotency } = options
  const { key, importId, scope } = readableMembers(command)
  const failure: FailedCommand = {
    id,
    ...(key !== undefined && { key }),
    status: 'failed',
    error: { code: 'internal', detail: detailOf(err) },
    revisionAtFailure: await readableRevision(attempt, options),
  }
  if (!(await store.recordFailure(failure, lease))) return false
  const parts = importId === undefined ? [id] : partIds(importId)
  if (importId !== undefined) await store.extendRetention(parts)
  if (scope !== undefined) await idempotency.end(scope, { commandId: importId ?? id, id, parts: parts.length })
  return true
}

function detailOf(err: unknown): string {
  return err instanceof CommandFault || err instanceof DamagedStore ? err.message : UNEXPECTED
}

/** An unreadable revision must not keep the failure from being recorded. */
async function readableRevision(attempt: FailedAttempt, options: FailureOptions): Promise<number | null> {
  try {
    // What was changed between two failures must supersede a later retry, too.
    const earlier = await options.store.failure(attempt.id)
    return earlier === undefined ? await revisionOf(attempt, options.reader) : earlier.revisionAtFailure
  } catch (err) {
    if (options.isTransient(err as Error)) throw err
    return null
  }
}

async function revisionOf({ id, command }: FailedAttempt, reader: StateReader): Promise<number | null> {
  if (Object(command).type === 'import-part') return reader.partitionRevision(partitionOf(id))
  const { key } = readableMembers(command)
  return key === undefined ? null : reader.keyRevision(key)
}

interface ReadableMembers {
  readonly key?: string | undefined
  readonly importId?: ImportId | undefined
  readonly scope?: IdempotencyScope | undefined
}

/** The valid members of a command that may be malformed. */
function readableMembers(command: unknown): ReadableMembers {
  const { key, importId, actor, idempotency } = Object(command) as Record<string, unknown>
  const { key: idempotencyKey } = Object(idempotency) as Record<string, unknown>
  const isScope = typeof actor === 'string' && typeof idempotencyKey === 'string'
  return {
    key: typeof key === 'string' && configKeyFault(key) === undefined ? key : undefined,
    importId: typeof importId === 'string' ? parseImportId(importId) : undefined,
    scope: isScope ? { actor, key: idempotencyKey } : undefined,
  }
}
