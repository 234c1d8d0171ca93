import { createHash } from 'node:crypto'
import type { Idempotency, NewCommand, Requested } from '../domain/commands.ts'
import { Problem } from '../errors.ts'
import type { Reservations } from './ports.ts'
import { orUnavailable } from './unavailable.ts'

interface Named {
  readonly id: string
  readonly idempotency?: Idempotency
  /** Whether it had been asked for before under this name. */
  readonly isRepeated: boolean
}

/** Gives commands the names that their callers want them to have, and finds those that have one. */
export class NameReserver {
  readonly #reservations: Reservations

  constructor(reservations: Reservations) {
    this.#reservations = reservations
  }

  /**
   * The id that the command has under this name: its own, or that of the first that was asked for.
   * @throws {Problem} `idempotency-key-reused`: it was another command
   */
  async name({ id, actor }: Requested, key: string | undefined, fingerprintOf: () => string): Promise<Named> {
    if (key === undefined) return { id, isRepeated: false }
    const fingerprint = fingerprintOf()
    const reserved = await orUnavailable(this.#reservations.reserve({ actor, key }, { commandId: id, fingerprint }))
    if (reserved.fingerprint !== fingerprint) {
      throw new Problem(
        'idempotency-key-reused',
        `the Idempotency-Key "${key}" stands for another request, command ${reserved.commandId}; a new request needs a new key`,
      )
    }
    return { id: reserved.commandId, idempotency: { key, fingerprint }, isRepeated: reserved.commandId !== id }
  }
}

/** Equal for requests with the same method, path, conditions and body. */
export function fingerprintOf({ actor: _actor, reason: _reason, ...content }: NewCommand): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex')
}
