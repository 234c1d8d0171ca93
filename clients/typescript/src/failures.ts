import type { AllFallback, Check, Fallback } from './decision.ts'
import type { Settings } from './options.ts'
import type { Settlement } from './reservation.ts'
import { isTooManyReservations } from './service-error.ts'

/** What happens to failures: each one is reported, and then `onFailure` says what the call returns, or that it throws. */
export class Failures {
  readonly #settings: Settings

  constructor(settings: Settings) {
    this.#settings = settings
  }

  /** Whether work that got no decision because of this failure is done all the same. */
  allows(failure: unknown): boolean {
    return this.#settings.onFailure === 'allow' && !isTooManyReservations(failure)
  }

  /** A report that fails must not break the call. */
  report(failure: unknown): void {
    const report = async () => {
      await this.#settings.onError(failure)
    }
    report().catch(() => undefined)
  }

  /**
   * Takes the place of a decision.
   * @throws the failure, if `onFailure` is `throw`
   */
  fallback(key: string, failure: unknown): Fallback {
    this.#raise(failure)
    return this.#decision(key, failure)
  }

  /** The same for a decision of several checks. */
  allFallback(checks: readonly Check[], failure: unknown): AllFallback {
    this.#raise(failure)
    // In JavaScript, checks can be missing.
    const results = Array.from(checks ?? [], check => this.#decision(check?.key, failure))
    return { ...this.#decision(results[0]?.key as string, failure), results }
  }

  /**
   * Takes the place of a settlement.
   * @throws the failure, if `onFailure` is `throw`
   */
  settlement(failure: unknown): Settlement {
    this.#raise(failure)
    return { status: 'failed', checks: [], failure }
  }

  #decision(key: string, failure: unknown): Fallback {
    return { allowed: this.allows(failure), key, source: 'client', failure }
  }

  #raise(failure: unknown): void {
    this.report(failure)
    if (this.#settings.onFailure === 'throw' && !isTooManyReservations(failure)) throw failure
  }
}
