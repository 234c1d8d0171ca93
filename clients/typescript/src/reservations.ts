import type { AllDecision, AllFallback, Check, Decision, Fallback } from './decision.ts'
import type { Failures } from './failures.ts'
import { HeldReservation } from './held-reservation.ts'
import { Hold, mayBeHeld } from './hold.ts'
import type { HttpService, Json } from './http-service.ts'
import { readAllDecision, readDecision } from './read-decision.ts'
import type { Reservation, ReservationOptions, ReserveOptions } from './reservation.ts'
import { ReservationService } from './reservation-service.ts'
import { bodyOf } from './service.ts'
import { settleUntilAnswered } from './settle-until-answered.ts'

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
      const reservation = new HeldReservation(read(answer) ?? this.#http.refuse(answer), hold, this.#failures)
      if (extend) reservation.keepAlive()
      return reservation
    } catch (failure) {
      const lost = mayBeHeld(failure) ? hold : undefined
      if (!this.#failures.areAllowed) this.#abandon(lost)
      return new HeldReservation(fallback(failure), lost, this.#failures)
    }
  }

  /** Releases a hold that nobody will use. */
  #abandon(hold: Hold | undefined): void {
    if (hold !== undefined) settleUntilAnswered(hold, 'released', this.#failures).catch(() => undefined)
  }
}
