import { DamagedRecord } from '../../config-change/damaged-store.ts'
import type { EndedPart, IdempotencyClaim, IdempotencyScope, IdempotencyStore } from '../../config-change/ports.ts'
import { type CommandId, type ImportId, parseCommandId, parseImportId } from '../../domain/command-id.ts'
import type { RedisClient } from '../connection/connection.ts'
import { type DefinedScript, defineScript } from '../define-script.ts'
import { idempotencyKeyOf } from '../keys.ts'
import { claimIdempotencyKeyScript, endIdempotencyKeyScript, keepIdempotencyKeyScript } from '../scripts.ts'
import type { RetentionOptions } from './retention.ts'

/** The codes that `lua/claim-idempotency-key.lua` returns. */
const ClaimCode = { claimed: 0, damaged: 1, restored: 2 } as const
type ClaimCode = (typeof ClaimCode)[keyof typeof ClaimCode]

/** Idempotency-Keys in Redis. */
export class RedisIdempotencyStore implements IdempotencyStore {
  readonly #options: RetentionOptions
  readonly #onRestored: (commandId: CommandId | ImportId) => void
  readonly #claim: DefinedScript<[ClaimCode, string]>
  readonly #keep: DefinedScript<0 | 1>
  readonly #end: DefinedScript<0 | 1>

  /** @param onRestored called for each command that has replaced a damaged claim */
  constructor(
    redis: RedisClient,
    options: RetentionOptions,
    onRestored: (commandId: CommandId | ImportId) => void = () => undefined,
  ) {
    this.#options = options
    this.#onRestored = onRestored
    this.#claim = defineScript(redis, 'throttlerClaimIdempotencyKey', claimIdempotencyKeyScript)
    this.#keep = defineScript(redis, 'throttlerKeepIdempotencyKey', keepIdempotencyKeyScript)
    this.#end = defineScript(redis, 'throttlerEndIdempotencyKey', endIdempotencyKeyScript)
  }

  async claim(scope: IdempotencyScope, claim: IdempotencyClaim): Promise<IdempotencyClaim> {
    const [code, json] = await this.#run(scope, claim, '')
    if (code === ClaimCode.damaged) throw damagedClaim(scope)
    return parseClaim(scope, json)
  }

  async reclaim(scope: IdempotencyScope, claim: IdempotencyClaim): Promise<IdempotencyClaim> {
    const [code, json] = await this.#run(scope, claim, '1')
    if (code === ClaimCode.restored) this.#onRestored(claim.commandId)
    return parseClaim(scope, json)
  }

  #run(scope: IdempotencyScope, claim: IdempotencyClaim, replacesDamaged: '1' | '') {
    return this.#claim(1, this.#key(scope), JSON.stringify(claim), this.#options.retentionMs, replacesDamaged)
  }

  async keep(scope: IdempotencyScope, commandId: CommandId | ImportId): Promise<void> {
    await this.#keep(1, this.#key(scope), commandId)
  }

  async end(scope: IdempotencyScope, { commandId, id, parts }: EndedPart): Promise<void> {
    await this.#end(1, this.#key(scope), commandId, id, parts, this.#options.retentionMs)
  }

  #key(scope: IdempotencyScope): string {
    return idempotencyKeyOf(this.#options.keyPrefix, scope)
  }
}

function parseClaim(scope: IdempotencyScope, json: string): IdempotencyClaim {
  const { commandId, fingerprint } = JSON.parse(json) as { commandId: string; fingerprint: string }
  const id = parseCommandId(commandId) ?? parseImportId(commandId)
  if (id === undefined) throw damagedClaim(scope)
  return { commandId: id, fingerprint }
}

function damagedClaim({ key }: IdempotencyScope): DamagedRecord {
  return new DamagedRecord(
    `the record of the Idempotency-Key "${key}" is damaged, so it is not known whether its command was accepted; check whether the change was made, and if not, request it with a new key`,
  )
}
