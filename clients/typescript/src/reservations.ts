import type { AllDecision, AllFallback, Check, Decision, Fallback } from './decision.ts'
import { EndAttempt } from './end-attempt.ts'
import type { Failures } from './failures.ts'
import { HeldReservation } from './held-reservation.ts'
import { Hold } from './hold.ts'
import type { HttpService, Json } from './http-service.ts'
import { readAllDecision, readDecision } from './read-decision.ts'
import type { Reservation, ReservationOptions, ReserveOptions } from './reservation.ts'
import { ReservationService } from './reservation-service.ts'
import { bodyOf } from './service.ts'

/** The service's own default. */
const DEFAULT_TTL_MS = 60_000

/** What differs between a reservation of one key and one of several. */
interface Form<D extends Decision, F extends Fallback> {
  /** The checks in the body of the request. */
  readonly checks: () => Json
  readonly read: (answer: Json) => D | undefined
  readonly fallback: (failure: unknown) => F
}

/** Makes reservations. */
export class Reservations {
  readonly #http: HttpService
  readonly #service: ReservationService
  readonly #timeoutMs: number
  readonly #failures: Failures

  constructor(http: HttpService, timeoutMs: number, failures: Failures) {
    this.#http = http
    this.#service = new ReservationService(http)
    this.#timeoutMs = timeoutMs
    this.#failures = failures
  }

  // In JavaScript, options and checks can be missing, which is for the service to refuse.

  reserve(key: string, options?: ReserveOptions): Promise<Reservation> {
    return this.#reserve<Decision, Fallback>(options, {
      checks: () => bodyOf({ ...options, key }),
      read: readDecision,
      fallback: failure => this.#failures.fallback(key, failure),
    })
  }

  reserveAll(checks: readonly Check[], options?: ReservationOptions): Promise<Reservation<AllDecision | AllFallback>> {
    return this.#reserve<AllDecision, AllFallback>(options, {
      checks: () => ({ checks: checks.map(bodyOf) }),
      read: answer => readAllDecision(answer, checks.length),
      fallback: failure => this.#failures.allFallback(checks, failure),
    })
  }

  async #reserve<D extends Decision, F extends Fallback>(
    options: ReservationOptions | undefined,
    { checks, read, fallback }: Form<D, F>,
  ): Promise<Reservation<D | F>> {
    const { ttlMs = DEFAULT_TTL_MS, onExpiry, extend = false } = options ?? {}
    let hold: Hold | undefined
    try {
      hold = new Hold(this.#service, { ...checks(), ttlMs, onExpiry }, this.#timeoutMs)
      const answer = await hold.reserve()
      const decision = read(answer) ?? this.#http.refuse(answer)
      const reservation = new HeldReservation(decision, this.#keepIf(decision.allowed, hold), this.#failures)
      if (extend) reservation.keepAlive()
      return reservation
    } catch (failure) {
      const kept = this.#keepIf(this.#failures.allows(failure), hold)
      return new HeldReservation(fallback(failure), kept, this.#failures)
    }
  }

  /** The hold, if the work is done. Otherwise nobody will settle it, so it is released in the background. */
  #keepIf(isAllowed: boolean, hold: Hold | undefined): Hold | undefined {
    if (isAllowed) return hold
    if (hold?.mayBeHeld) new EndAttempt(hold, 'released', this.#failures)
    return undefined
  }
}
