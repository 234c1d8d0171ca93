import type { Decision, Fallback } from './decision.ts'
import { EndAttempt } from './end-attempt.ts'
import { extendRepeatedly } from './extend-repeatedly.ts'
import type { Failures } from './failures.ts'
import type { Hold, HoldEnd } from './hold.ts'
import type { Charge, Reservation, Settlement } from './reservation.ts'
import { ReservationEndedError } from './reservation-ended-error.ts'

/** Where a runtime has no such symbol, compilers fall back to this one too. */
const asyncDispose: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')

/** A reservation that the service has decided, or `onFailure` in its place. */
export class HeldReservation<D extends Decision | Fallback> implements Reservation<D> {
  readonly decision: D
  readonly #hold: Hold | undefined
  readonly #failures: Failures
  #stopExtending: () => void = () => undefined
  /** The last call that was sent to end it. */
  #attempt: EndAttempt | undefined

  /** @param hold `undefined` if nothing is held */
  constructor(decision: D, hold: Hold | undefined, failures: Failures) {
    this.decision = decision
    this.#hold = hold
    this.#failures = failures
  }

  get allowed(): boolean {
    return this.decision.allowed
  }

  /** Extends it until `settle` or `release` is called. */
  keepAlive(): void {
    if (this.#hold?.isHeld) this.#stopExtending = extendRepeatedly(this.#hold, this.#failures)
  }

  settle(tokens?: number | readonly Charge[]): Promise<Settlement> {
    return this.#endAs({ amounts: tokens })
  }

  release(): Promise<Settlement> {
    return this.#endAs('released')
  }

  /** Never throws, since that would hide what the work threw or returned. */
  async [asyncDispose](): Promise<void> {
    await this.release().catch(() => undefined)
  }

  #endAs(end: HoldEnd): Promise<Settlement> {
    const settlement = this.#end(end)
    // A rejection does not count as unhandled if nobody awaits it.
    settlement.catch(() => undefined)
    return settlement
  }

  /** Waits for a call in flight. Is sent unless an earlier one has ended the reservation, or may have. */
  async #end(end: HoldEnd): Promise<Settlement> {
    if (this.#hold === undefined) return { status: 'none', checks: [] }
    let attempt: EndAttempt | undefined
    // Another call may have waited too, and have been sent first.
    while (attempt !== this.#attempt) {
      attempt = this.#attempt
      await attempt?.settlement.catch(() => undefined)
    }
    if (attempt !== undefined && !attempt.hasChangedNothing) return this.#resultOf(attempt, end)
    this.#stopExtending()
    this.#attempt = new EndAttempt(this.#hold, end, this.#failures)
    return this.#attempt.settlement
  }

  /** The result of a call that is not sent, since this attempt decides. */
  async #resultOf(attempt: EndAttempt, end: HoldEnd): Promise<Settlement> {
    if (end === 'released' || isSettledWith(end.amounts, attempt.end)) return attempt.settlement
    const earlier = attempt.end === 'released' ? 'release' : 'settle with other amounts'
    return this.#failures.settlement(
      new ReservationEndedError(`The reservation cannot be settled: ${earlier} was called before`),
    )
  }
}

/** Amounts of several keys are compared by identity. */
function isSettledWith(amounts: number | readonly Charge[] | undefined, end: HoldEnd): boolean {
  return end !== 'released' && end.amounts === amounts
}
