/** A reservation as callers see it. */

/** For how long a reservation's record is kept after its end, in ms. Until then, it can be settled late and settled again. */
export const KEPT_AFTER_END_MS = 600_000

/** How a caller ended a reservation. */
export type EndedStatus = 'settled' | 'released'

/** A key of a reservation, as its request named it. */
export interface NamedKey {
  readonly key: string
  readonly tokens: number
  /** The config key of the policy that the caller named. */
  readonly policy?: string | undefined
}

export interface ReservedKey extends NamedKey {
  /** Once it has ended: the tokens that were charged in all. */
  readonly charged?: number
}

export interface Reservation {
  readonly id: string
  readonly status: 'held' | 'expired' | EndedStatus
  readonly expiresAtMs: number
  readonly keys: readonly ReservedKey[]
}
