/** The Idempotency-Key of a queued command, as its worker treats it. */

import { acceptedId, type QueuedCommand } from '../../domain/commands.ts'
import type { Rejection } from '../../domain/decider.ts'
import { CONFIG_PARTITIONS } from '../../domain/partition.ts'
import { reusedDetail } from '../idempotency-keys.ts'
import type { IdempotencyStore } from '../ports.ts'

/**
 * Claims the key again. Returns a rejection if another command has the key: the claim expired before this command was queued, and
 * the other command is applied instead.
 */
export async function reclaimKey(command: QueuedCommand, store: IdempotencyStore): Promise<Rejection | undefined> {
  const { actor, idempotency } = command
  if (idempotency === undefined) return undefined
  const { key, fingerprint } = idempotency
  const commandId = acceptedId(command)
  const claim = await store.reclaim({ actor, key }, { commandId, fingerprint })
  if (claim.commandId === commandId) return undefined
  return { code: 'idempotency-key-reused', detail: reusedDetail(key, claim.commandId) }
}

/** Lets the key of a command that has ended expire together with the outcome. */
export async function endKey(command: QueuedCommand, store: IdempotencyStore): Promise<void> {
  const { id, actor, idempotency } = command
  if (idempotency === undefined) return
  const parts = command.type === 'import-part' ? CONFIG_PARTITIONS : 1
  await store.end({ actor, key: idempotency.key }, { commandId: acceptedId(command), id, parts })
}
