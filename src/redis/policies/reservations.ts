import type { EndedPart, Reservation, Reservations, ReservedName } from '../../config-change/ports.ts'
import type { RedisClient } from '../connection/connection.ts'
import { type DefinedScript, defineScript } from '../define-script.ts'
import { reservationKey } from '../keys.ts'
import { endNameScript, keepNameScript } from '../scripts.ts'
import type { RetentionOptions } from './retention.ts'

/** Idempotency-Keys in Redis. */
export class RedisReservations implements Reservations {
  readonly #redis: RedisClient
  readonly #options: RetentionOptions
  readonly #keep: DefinedScript<0 | 1>
  readonly #end: DefinedScript<0 | 1>

  constructor(redis: RedisClient, options: RetentionOptions) {
    this.#redis = redis
    this.#options = options
    this.#keep = defineScript(redis, 'throttlerKeepName', keepNameScript)
    this.#end = defineScript(redis, 'throttlerEndName', endNameScript)
  }

  async reserve(name: ReservedName, reservation: Reservation): Promise<Reservation> {
    const key = this.#key(name)
    for (;;) {
      const json = JSON.stringify(reservation)
      if ((await this.#redis.set(key, json, 'PX', this.#options.retentionMs, 'NX')) === 'OK') return reservation
      const taken = await this.#redis.get(key)
      if (taken !== null) return JSON.parse(taken) as Reservation
    }
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
