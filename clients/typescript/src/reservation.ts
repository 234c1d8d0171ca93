/// <reference lib="esnext.disposable" preserve="true" />
import type { AllDecision, AllFallback, Decision, Fallback } from './decision.ts'

export interface ReservationOptions {
  /** How long the tokens are held unless they are settled before, in ms: 1,000 to 86,400,000; 60,000 by default. */
  readonly ttlMs?: number | undefined
  /** What happens to the tokens if they are not settled in time: `charge` (the default) or `release`. */
  readonly onExpiry?: 'charge' | 'release' | undefined
  /** Whether the reservation is extended until `settle` or `release` is called; `false` by default. */
  readonly extend?: boolean | undefined
}

export interface ReserveOptions extends ReservationOptions {
  /** How many tokens the work is estimated to cost. With 0, only concurrency limits count. */
  readonly tokens: number
  /** The config key of the policy that decides, such as `plan:gold`. */
  readonly policy?: string | undefined
}

/** What one key of a reservation is charged. */
export interface Charge {
  readonly key: string
  readonly tokens: number
}

export interface SettledCharge extends Charge {
  /** How many tokens were charged: fewer than settled if the debt of the bucket is at its maximum. */
  readonly charged: number
}

/** How settling or releasing a reservation went. */
export interface Settlement {
  /**
   * - `settled`, `released`: the service has done it.
   * - `pending`: the service has not answered yet. The client asks again until it does.
   * - `failed`: the service refuses it, or an earlier call decides otherwise.
   * - `none`: there is nothing to settle, since the reservation was denied, refused, or allowed without a hold.
   */
  readonly status: 'settled' | 'released' | 'pending' | 'failed' | 'none'
  /** What each key was charged, if the status is `settled`. */
  readonly checks: readonly SettledCharge[]
  /** Why it is pending or has failed. */
  readonly failure?: unknown
}

/** Tokens and slots that are held for work in progress. Released at the end of its scope, if `await using` declares it. */
export interface Reservation<D extends Decision | Fallback = Decision | Fallback> extends AsyncDisposable {
  readonly allowed: boolean
  readonly decision: D
  /**
   * Charges the actual cost, and frees what was held.
   * @param tokens for every key, or for each of several; without it, what was reserved
   * @returns after the timeout of the client at the latest, or twice that if another call was in flight. A promise that
   * is not awaited is never an unhandled rejection.
   * @throws only if `onFailure` is `throw` and the service refuses it, or an earlier call decides otherwise
   */
  settle(tokens?: number | readonly Charge[]): Promise<Settlement>
  /** The same, but charges nothing. It does nothing if the reservation is settled already, or may be. */
  release(): Promise<Settlement>
}

/** A reservation of several keys, which are held together or not at all. */
export type AllReservation = Reservation<AllDecision | AllFallback>
