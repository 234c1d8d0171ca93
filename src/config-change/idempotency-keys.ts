import { createHash } from 'node:crypto'
import { type CommandId, type ImportId, isImportId } from '../domain/command-id.ts'
import { acceptedId, type Idempotency, type NewCommand, type QueuedCommand } from '../domain/commands.ts'
import { Problem } from '../lib/errors.ts'
import { mapStoreErrors } from './map-store-errors.ts'
import type { IdempotencyStore } from './ports.ts'

interface Claimed<Id> {
  readonly id: Id
  readonly idempotency?: Idempotency
  /** Whether an earlier request has claimed the key. */
  readonly isRepeated: boolean
}

/** Maps an Idempotency-Key to a command id, creating the mapping on first use. */
export class IdempotencyKeys {
  readonly #store: IdempotencyStore

  constructor(store: IdempotencyStore) {
    this.#store = store
  }

  /**
   * Returns the id of the command that has the key: the given one, or that of the first request with this key.
   * @throws {Problem} `idempotency-key-reused` if the first request was a different one
   */
  async claim<Id extends CommandId | ImportId>(
    { id, actor }: { readonly id: Id; readonly actor: string },
    key: string | undefined,
    fingerprintOf: () => string,
  ): Promise<Claimed<Id>> {
    if (key === undefined) return { id, isRepeated: false }
    const fingerprint = fingerprintOf()
    const claim = await mapStoreErrors(this.#store.claim({ actor, key }, { commandId: id, fingerprint }))
    const { commandId } = claim
    if (claim.fingerprint !== fingerprint || !isSameKind(commandId, id)) {
      throw new Problem('idempotency-key-reused', reusedDetail(key, commandId))
    }
    return { id: commandId, idempotency: { key, fingerprint }, isRepeated: commandId !== id }
  }

  /** Keeps the key of a queued command until the command has ended. */
  async keep(command: QueuedCommand): Promise<void> {
    const { actor, idempotency } = command
    if (idempotency === undefined) return
    await mapStoreErrors(this.#store.keep({ actor, key: idempotency.key }, acceptedId(command)))
  }
}

function isSameKind<Id extends CommandId | ImportId>(id: CommandId | ImportId, other: Id): id is Id {
  return isImportId(id) === isImportId(other)
}

/** Equal for requests with the same method, path, conditions and body. */
export function fingerprintOf({
  actor: _actor,
  reason: _reason,
  requestId: _requestId,
  traceparent: _traceparent,
  ...content
}: NewCommand): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex')
}

export function reusedDetail(key: string, commandId: CommandId | ImportId): string {
  return `the Idempotency-Key "${key}" belongs to another request, command ${commandId}; use a new key for a new request`
}
