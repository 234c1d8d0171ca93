import { createHash } from 'node:crypto'
import {
  callersId,
  type Idempotency,
  type NewCommand,
  partIds,
  type QueuedCommand,
  type Requested,
} from '../domain/commands.ts'
import type { Rejection } from '../domain/decider.ts'
import { Problem } from '../lib/errors.ts'
import { mapStoreErrors } from './map-store-errors.ts'
import type { EndedPart, IdempotencyStore } from './ports.ts'

interface Named {
  readonly id: string
  readonly idempotency?: Idempotency
  /** Whether it had been asked for before under this name. */
  readonly isRepeated: boolean
}

/** Gives commands the names that their callers want them to have, and finds those that have one. */
export class IdempotencyKeys {
  readonly #reservations: IdempotencyStore

  constructor(reservations: IdempotencyStore) {
    this.#reservations = reservations
  }

  /**
   * The id that the command has under this name: its own, or that of the first that was asked for.
   * @throws {Problem} `idempotency-key-reused`: it was another command
   */
  async name({ id, actor }: Requested, key: string | undefined, fingerprintOf: () => string): Promise<Named> {
    if (key === undefined) return { id, isRepeated: false }
    const fingerprint = fingerprintOf()
    const reserved = await mapStoreErrors(this.#reservations.reserve({ actor, key }, { commandId: id, fingerprint }))
    if (reserved.fingerprint !== fingerprint) {
      throw new Problem('idempotency-key-reused', reusedDetail(key, reserved.commandId))
    }
    return { id: reserved.commandId, idempotency: { key, fingerprint }, isRepeated: reserved.commandId !== id }
  }

  /** The command is queued: its name lasts until it has ended. */
  async keep(command: QueuedCommand): Promise<void> {
    const { actor, idempotency } = command
    if (idempotency === undefined) return
    await mapStoreErrors(this.#reservations.keep({ actor, key: idempotency.key }, callersId(command)))
  }
}

/** Equal for requests with the same method, path, conditions and body. */
export function fingerprintOf({
  actor: _actor,
  reason: _reason,
  requestId: _requestId,
  ...content
}: NewCommand): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex')
}

/** What a worker ended, for the name that its caller gave it. */
export function endedPart(command: { readonly id: string; readonly importId?: string | undefined }): EndedPart {
  const commandId = callersId(command)
  return { commandId, id: command.id, parts: partIds(commandId)?.length ?? 1 }
}

/**
 * Why a queued command must not be applied, though it is valid: its name expired before the command was queued, and was given to
 * another one, which is applied instead.
 */
export async function refusalByName(
  command: QueuedCommand,
  reservations: IdempotencyStore,
): Promise<Rejection | undefined> {
  const { actor, idempotency } = command
  if (idempotency === undefined) return undefined
  const { key, fingerprint } = idempotency
  const commandId = callersId(command)
  const reserved = await reservations.restore({ actor, key }, { commandId, fingerprint })
  if (reserved.commandId === commandId) return undefined
  return { code: 'idempotency-key-reused', detail: reusedDetail(key, reserved.commandId) }
}

function reusedDetail(key: string, commandId: string): string {
  return `the Idempotency-Key "${key}" stands for another request, command ${commandId}; a new request needs a new key`
}
