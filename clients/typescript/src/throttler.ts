import { CheckQueue } from './check-queue.ts'
import type { AllDecision, AllFallback, Check, CheckOptions, Decision, Fallback } from './decision.ts'
import { Failures } from './failures.ts'
import { HttpService, within } from './http-service.ts'
import { readOptions, type Settings, type ThrottlerOptions } from './options.ts'
import { PendingCheck } from './pending-check.ts'
import type { AllReservation, Reservation, ReservationOptions, ReserveOptions } from './reservation.ts'
import { Reservations } from './reservations.ts'
import { Service } from './service.ts'

/** Asks a Throttler service for decisions. */
export class Throttler {
  readonly #settings: Settings
  readonly #failures: Failures
  readonly #service: Service
  readonly #reservations: Reservations
  readonly #sharedQueue: CheckQueue

  /** @throws {TypeError} if an option is missing, unknown or invalid; the message names it */
  constructor(options: ThrottlerOptions) {
    this.#settings = readOptions(options)
    this.#failures = new Failures(this.#settings)
    const http = new HttpService(this.#settings.url, this.#settings.token)
    this.#service = new Service(http)
    this.#reservations = new Reservations(http, this.#settings.timeoutMs, this.#failures)
    this.#sharedQueue = this.#newQueue()
  }

  /**
   * Decides one check.
   * @param options the tokens that it costs, or an object with them and the policy
   * @throws only if `onFailure` is `throw`: a {@link ServiceError}, or whatever kept the service from answering
   */
  async check(key: string, options?: CheckOptions | number): Promise<Decision | Fallback> {
    return this.#ask(key, typeof options === 'object' ? options : { tokens: options }, this.#queue())
  }

  /**
   * Decides many checks, each on its own, in calls of up to 1,000 checks.
   * @returns the decisions in the order of the checks
   * @throws as {@link check} does, with the first failure
   */
  async checkMany(checks: readonly Check[]): Promise<(Decision | Fallback)[]> {
    const queue = this.#queue()
    // In JavaScript, a check can be missing. It is then as invalid as one without a key.
    return Promise.all(checks.map(check => this.#ask(check?.key, check, queue)))
  }

  /**
   * Decides up to 16 checks of different keys together: all are allowed, or nothing is spent from any.
   * @throws as {@link check} does
   */
  async checkAll(checks: readonly Check[]): Promise<AllDecision | AllFallback> {
    try {
      return await within(this.#settings.timeoutMs, signal => this.#service.checkAll(checks, signal))
    } catch (failure) {
      return this.#failures.allFallback(checks, failure)
    }
  }

  /**
   * Holds tokens, and a slot of each concurrency limit, for work whose cost is known only afterwards.
   * @throws as {@link check} does
   */
  async reserve(key: string, options: ReserveOptions): Promise<Reservation> {
    return this.#reservations.reserve(key, options)
  }

  /**
   * Holds tokens of up to 16 different keys: of all, or of none.
   * @throws as {@link check} does
   */
  async reserveAll(checks: readonly Check[], options?: ReservationOptions): Promise<AllReservation> {
    return this.#reservations.reserveAll(checks, options)
  }

  async #ask(key: string, options: CheckOptions | undefined, queue: CheckQueue): Promise<Decision | Fallback> {
    try {
      const check = new PendingCheck(key, options ?? {}, this.#settings.timeoutMs)
      queue.add(check)
      return await check.decision
    } catch (failure) {
      return this.#failures.fallback(key, failure)
    }
  }

  #queue(): CheckQueue {
    return this.#settings.shareCalls ? this.#sharedQueue : this.#newQueue()
  }

  #newQueue(): CheckQueue {
    return new CheckQueue(this.#service, this.#settings.timeoutMs)
  }
}
