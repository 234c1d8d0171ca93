import { DamagedRecord } from '../../../src/config-change/damaged-store.ts'
import type {
  EndedPart,
  IdempotencyClaim,
  IdempotencyScope,
  IdempotencyStore,
} from '../../../src/config-change/ports.ts'
import type { CommandId, ImportId } from '../../../src/domain/command-id.ts'

interface StoredClaim extends IdempotencyClaim {
  readonly endedParts: Set<CommandId>
  /** Whether the claim stays until its command has ended. */
  isKept: boolean
}

/** Idempotency-Keys in memory. Claims do not expire by themselves, but `expire` removes those that are not kept. */
export class InMemoryIdempotencyStore implements IdempotencyStore {
  readonly #claims = new Map<string, StoredClaim | 'damaged'>()

  /** Expires claims, as happens after a long time. */
  expire(): void {
    for (const [scope, claim] of this.#claims) {
      if (claim !== 'damaged' && !claim.isKept) this.#claims.delete(scope)
    }
  }

  damage(scope: IdempotencyScope): void {
    this.#claims.set(textOf(scope), 'damaged')
  }

  async claim(scope: IdempotencyScope, claim: IdempotencyClaim): Promise<IdempotencyClaim> {
    if (this.#claims.get(textOf(scope)) === 'damaged') throw new DamagedRecord('the claim is damaged')
    return this.reclaim(scope, claim)
  }

  async reclaim(scope: IdempotencyScope, claim: IdempotencyClaim): Promise<IdempotencyClaim> {
    const stored = this.#get(scope) ?? { ...claim, endedParts: new Set(), isKept: false }
    this.#claims.set(textOf(scope), stored)
    const { commandId, fingerprint } = stored
    return { commandId, fingerprint }
  }

  async keep(scope: IdempotencyScope, commandId: CommandId | ImportId): Promise<void> {
    const claim = this.#get(scope)
    if (claim?.commandId === commandId && claim.endedParts.size === 0) claim.isKept = true
  }

  async end(scope: IdempotencyScope, { commandId, id, parts }: EndedPart): Promise<void> {
    const claim = this.#get(scope)
    if (claim?.commandId !== commandId) return
    claim.endedParts.add(id)
    if (claim.endedParts.size === parts) claim.isKept = false
  }

  #get(scope: IdempotencyScope): StoredClaim | undefined {
    const claim = this.#claims.get(textOf(scope))
    return claim === 'damaged' ? undefined : claim
  }
}

function textOf({ actor, key }: IdempotencyScope): string {
  return `${actor}:${key}`
}
