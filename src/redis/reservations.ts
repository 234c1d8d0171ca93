import type { Reservation, Reservations, ReservedName } from '../config-change/ports.ts'
import type { RedisClient } from './connection.ts'
import { reservationKey } from './keys.ts'
import type { RetentionOptions } from './retention.ts'

/** Idempotency-Keys in Redis. */
export class RedisReservations implements Reservations {
  readonly #redis: RedisClient
  readonly #options: RetentionOptions

  constructor(redis: RedisClient, options: RetentionOptions) {
    this.#redis = redis
    this.#options = options
  }

  async reserve(name: ReservedName, reservation: Reservation): Promise<Reservation> {
    const key = reservationKey(this.#options.keyPrefix, name)
    for (;;) {
      if ((await this.#redis.set(key, JSON.stringify(reservation), 'NX')) === 'OK') return reservation
      const taken = await this.#redis.get(key)
      if (taken !== null) return JSON.parse(taken) as Reservation
    }
  }

  async expire(name: ReservedName): Promise<void> {
    await this.#redis.pexpire(reservationKey(this.#options.keyPrefix, name), this.#options.retentionMs)
  }
}
