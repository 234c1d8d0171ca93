import {
  DamagedRecord,
  type EndedPart,
  type Reservation,
  type Reservations,
  type ReservedName,
} from '../../config-change/ports.ts'
import type { RedisClient } from '../connection/connection.ts'
import { type DefinedScript, defineScript } from '../define-script.ts'
import { reservationKey } from '../keys.ts'
import { claimNameScript, endNameScript, keepNameScript } from '../scripts.ts'
import type { RetentionOptions } from './retention.ts'

/** The codes that `lua/claim-name.lua` returns. */
const ClaimCode = { claimed: 0, damaged: 1, restored: 2 } as const
type ClaimCode = (typeof ClaimCode)[keyof typeof ClaimCode]

/** Idempotency-Keys in Redis. */
export class RedisReservations implements Reservations {
  readonly #options: RetentionOptions
  readonly #restored: (commandId: string) => void
  readonly #claim: DefinedScript<[ClaimCode, string]>
  readonly #keep: DefinedScript<0 | 1>
  readonly #end: DefinedScript<0 | 1>

  /** @param restored hears of each command whose damaged name was restored */
  constructor(redis: RedisClient, options: RetentionOptions, restored: (commandId: string) => void = () => undefined) {
    this.#options = options
    this.#restored = restored
    this.#claim = defineScript(redis, 'throttlerClaimName', claimNameScript)
    this.#keep = defineScript(redis, 'throttlerKeepName', keepNameScript)
    this.#end = defineScript(redis, 'throttlerEndName', endNameScript)
  }

  async reserve(name: ReservedName, reservation: Reservation): Promise<Reservation> {
    const [code, json] = await this.#run(name, reservation, '')
    if (code === ClaimCode.damaged) throw new DamagedRecord(damageOf(name))
    return JSON.parse(json) as Reservation
  }

  async restore(name: ReservedName, reservation: Reservation): Promise<Reservation> {
    const [code, json] = await this.#run(name, reservation, '1')
    if (code === ClaimCode.restored) this.#restored(reservation.commandId)
    return JSON.parse(json) as Reservation
  }

  #run(name: ReservedName, reservation: Reservation, takesDamaged: '1' | '') {
    return this.#claim(1, this.#key(name), JSON.stringify(reservation), this.#options.retentionMs, takesDamaged)
  }

  async keep(name: ReservedName, commandId: string): Promise<void> {
    await this.#keep(1, this.#key(name), commandId)
  }

  async end(name: ReservedName, { commandId, id, parts }: EndedPart): Promise<void> {
    await this.#end(1, this.#key(name), commandId, id, parts, this.#options.retentionMs)
  }

  #key(name: ReservedName): string {
    return reservationKey(this.#options.keyPrefix, name)
  }
}

function damageOf({ key }: ReservedName): string {
  return `what the Idempotency-Key "${key}" stands for is damaged, so it is not known whether its command was accepted; look whether the change was made, and if not ask for it with a new key`
}
