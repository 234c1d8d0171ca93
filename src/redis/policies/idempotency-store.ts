import {
  DamagedRecord,
  type EndedPart,
  type IdempotencyClaim,
  type IdempotencyScope,
  type IdempotencyStore,
} from '../../config-change/ports.ts'
import type { RedisClient } from '../connection/connection.ts'
import { type DefinedScript, defineScript } from '../define-script.ts'
import { idempotencyKeyOf } from '../keys.ts'
import { claimIdempotencyKeyScript, endIdempotencyKeyScript, keepIdempotencyKeyScript } from '../scripts.ts'
import type { RetentionOptions } from './retention.ts'

/** The codes that `lua/claim-name.lua` returns. */
const ClaimCode = { claimed: 0, damaged: 1, restored: 2 } as const
type ClaimCode = (typeof ClaimCode)[keyof typeof ClaimCode]

/** Idempotency-Keys in Redis. */
export class RedisIdempotencyStore implements IdempotencyStore {
  readonly #options: RetentionOptions
  readonly #restored: (commandId: string) => void
  readonly #claim: DefinedScript<[ClaimCode, string]>
  readonly #keep: DefinedScript<0 | 1>
  readonly #end: DefinedScript<0 | 1>

  /** @param restored hears of each command whose damaged name was restored */
  constructor(redis: RedisClient, options: RetentionOptions, restored: (commandId: string) => void = () => undefined) {
    this.#options = options
    this.#restored = restored
    this.#claim = defineScript(redis, 'throttlerClaimName', claimIdempotencyKeyScript)
    this.#keep = defineScript(redis, 'throttlerKeepName', keepIdempotencyKeyScript)
    this.#end = defineScript(redis, 'throttlerEndName', endIdempotencyKeyScript)
  }

  async reserve(name: IdempotencyScope, reservation: IdempotencyClaim): Promise<IdempotencyClaim> {
    const [code, json] = await this.#run(name, reservation, '')
    if (code === ClaimCode.damaged) throw new DamagedRecord(damageOf(name))
    return JSON.parse(json) as IdempotencyClaim
  }

  async restore(name: IdempotencyScope, reservation: IdempotencyClaim): Promise<IdempotencyClaim> {
    const [code, json] = await this.#run(name, reservation, '1')
    if (code === ClaimCode.restored) this.#restored(reservation.commandId)
    return JSON.parse(json) as IdempotencyClaim
  }

  #run(name: IdempotencyScope, reservation: IdempotencyClaim, takesDamaged: '1' | '') {
    return this.#claim(1, this.#key(name), JSON.stringify(reservation), this.#options.retentionMs, takesDamaged)
  }

  async keep(name: IdempotencyScope, commandId: string): Promise<void> {
    await this.#keep(1, this.#key(name), commandId)
  }

  async end(name: IdempotencyScope, { commandId, id, parts }: EndedPart): Promise<void> {
    await this.#end(1, this.#key(name), commandId, id, parts, this.#options.retentionMs)
  }

  #key(name: IdempotencyScope): string {
    return idempotencyKeyOf(this.#options.keyPrefix, name)
  }
}

function damageOf({ key }: IdempotencyScope): string {
  return `what the Idempotency-Key "${key}" stands for is damaged, so it is not known whether its command was accepted; look whether the change was made, and if not ask for it with a new key`
}
