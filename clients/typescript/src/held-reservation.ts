import type { Decision, Fallback } from './decision.ts'
import { extendRepeatedly } from './extend-repeatedly.ts'
import type { Failures } from './failures.ts'
import type { Hold, HoldEnd } from './hold.ts'
import type { Charge, Reservation, Settlement } from './reservation.ts'
import { ServiceError } from './service-error.ts'
import { settleUntilAnswered } from './settle-until-answered.ts'

/** Where a runtime has no such symbol, compilers fall back to this one too. */
const asyncDispose: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')

/** A reservation that the service has decided, or `onFailure` in its place. */
export class HeldReservation<D extends Decision | Fallback> implements Reservation<D> {
  readonly decision: D
  readonly #hold: Hold | undefined
  readonly #failures: Failures
  #stopExtending: () => void = () => undefined
  #ended: { readonly end: HoldEnd; readonly settlement: Promise<Settlement> } | undefined

  /** @param hold `undefined` if nothing is held */
  constructor(decision: D, hold: Hold | undefined, failures: Failures) {
    this.decision = decision
    this.#hold = hold
    this.#failures = failures
  }

  get allowed(): boolean {
    return this.decision.allowed
  }

  /** Extends it until it ends. */
  keepAlive(): void {
    if (this.#hold?.isHeld) this.#stopExtending = extendRepeatedly(this.#hold, this.#failures)
  }

  settle(tokens?: number | readonly Charge[]): Promise<Settlement> {
    if (this.#ended !== undefined && !isSettledWith(tokens, this.#ended.end))
      return quiet(this.#refuse(this.#ended.end))
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
    this.#ended ??= { end, settlement: quiet(this.#settle(end)) }
    return this.#ended.settlement
  }

  async #settle(end: HoldEnd): Promise<Settlement> {
    this.#stopExtending()
    if (this.#hold === undefined) return { status: 'none', checks: [] }
    return settleUntilAnswered(this.#hold, end, this.#failures)
  }

  /** What the service would say if it were asked. */
  async #refuse(end: HoldEnd): Promise<Settlement> {
    const detail = end === 'released' ? 'it was released before' : 'it was settled with other amounts before'
    const title = 'The reservation has ended'
    return this.#failures.settlement(new ServiceError({ status: 409, code: 'reservation-ended', title, detail }))
  }
}

/** Amounts of several keys are compared by identity. */
function isSettledWith(amounts: number | readonly Charge[] | undefined, end: HoldEnd): boolean {
  return end !== 'released' && end.amounts === amounts
}

/** The same promise. Its rejection does not count as unhandled if nobody awaits it. */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}
