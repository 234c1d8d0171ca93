import type { Reservation, Reservations, ReservedName } from '../config-change/ports.ts'
import type { RedisClient } from './connection.ts'
import { reservationKey } from './keys.ts'

interface ReservationOptions {
  readonly keyPrefix: string
  /** How long a name is kept after its command ended, ms. */
  readonly retentionMs: number
}

/** Idempotency-Keys in Redis. */
export class RedisReservations implements Reservations {
  readonly #redis: RedisClient
  readonly #options: ReservationOptions

  constructor(redis: RedisClient, options: ReservationOptions) {
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
