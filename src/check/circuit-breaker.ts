import { OperatorError } from '../lib/operator-error.ts'
import type { Logger } from '../observability/logger.ts'
import type { OutageClock } from './outage-clock.ts'

/** Consecutive failures that open the circuit. */
const FAILURES_TO_OPEN = 5

/** Time from a failure to a probe, and between two probes while the circuit is open, in ms. */
const PROBE_INTERVAL_MS = 250

export type Circuit = 'closed' | 'half-open' | 'open'

/** The store was not asked, since the circuit is not closed. */
class CircuitOpen extends OperatorError {}

export interface CircuitBreakerOptions {
  /** Why a call failed, in one of a few words. */
  reasonOf(err: unknown): string
  /** The same in a sentence, for the log. */
  explain(err: Error): string
  /** Whether this reason says that the store can be read but not written. */
  refusesWrites(reason: string): boolean
  /** The circuit has just opened. */
  onOpened(reason: string): void
  /** Runs from the first failure in a row until the next success. */
  readonly outage: OutageClock
  readonly logger: Logger
}

/**
 * The circuit breaker of a store. Five consecutive failures open the circuit; a store that refuses writes opens it at once, since reads
 * would succeed in between. A probe follows each failure, so that a process with few callers notices an outage as soon as a busy one. While
 * the circuit is open, no call is made until a probe succeeds. Probes belong to no caller, so no caller waits for one.
 * @see https://martinfowler.com/bliki/CircuitBreaker.html
 */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions
  readonly #callProbe: () => Promise<unknown>
  /** Created once: an error with a stack for each check of an outage would be costly. */
  readonly #openError = new CircuitOpen('the bucket store is unavailable: the circuit is open')
  #circuit: Circuit = 'closed'
  #consecutiveFailures = 0
  #reason: string | undefined
  #nextProbe: NodeJS.Timeout | undefined
  #recovery: Promise<void> | undefined
  #isShutDown = false
  #isRetired = false

  /** @param callProbe rejects if the store is unavailable */
  constructor(options: CircuitBreakerOptions, callProbe: () => Promise<unknown>) {
    this.#options = options
    this.#callProbe = callProbe
  }

  get circuit(): Circuit {
    return this.#circuit
  }

  /** Why the circuit is not closed. */
  get reason(): string | undefined {
    return this.#reason
  }

  /** Makes this call unless the circuit is not closed, and opens the circuit if the call fails and is one too many. */
  async guard<T>(call: () => Promise<T>): Promise<T> {
    if (this.#circuit !== 'closed') throw this.#openError
    try {
      const result = await call()
      this.#succeeded()
      return result
    } catch (err) {
      this.#failed(err as Error)
      throw err
    }
  }

  /** Calls a probe, in every state of the circuit. Success closes the circuit. Rejects if the store is unavailable. */
  async probe(): Promise<void> {
    if (this.#circuit === 'closed') {
      await this.guard(this.#callProbe)
      return
    }
    this.#recovery ??= this.#tryToRecover().finally(() => {
      this.#recovery = undefined
    })
    await this.#recovery
  }

  /** Ends the probes. */
  close(): void {
    this.#isShutDown = true
    clearTimeout(this.#nextProbe)
  }

  /** This part of the store no longer exists, so its outage is over. Calls that are under way begin no other one. */
  retire(): void {
    this.#isRetired = true
    this.close()
    this.#options.outage.stop()
    if (this.#circuit === 'closed') return
    this.#options.logger.info('the unavailable part of the bucket store no longer exists')
  }

  #succeeded(): void {
    if (this.#consecutiveFailures === 0 || this.#circuit !== 'closed') return
    clearTimeout(this.#nextProbe)
    this.#consecutiveFailures = 0
    this.#options.outage.stop()
  }

  /** A call may fail after others have opened the circuit. */
  #failed(err: Error): void {
    if (this.#circuit !== 'closed' || this.#isRetired) return
    const { outage, reasonOf, refusesWrites } = this.#options
    const reason = reasonOf(err)
    outage.failed()
    this.#consecutiveFailures++
    if (this.#consecutiveFailures >= FAILURES_TO_OPEN || refusesWrites(reason)) this.#open(err, reason)
    this.#scheduleProbe()
  }

  #open(err: Error, reason: string): void {
    this.#circuit = 'open'
    this.#reason = reason
    const detail = this.#options.explain(err)
    this.#options.logger.error({ reason, detail }, 'the bucket store is unavailable: the circuit is open')
    this.#options.onOpened(reason)
  }

  async #tryToRecover(): Promise<void> {
    clearTimeout(this.#nextProbe)
    this.#circuit = 'half-open'
    try {
      await this.#callProbe()
      this.#recover()
    } catch (err) {
      this.#circuit = 'open'
      this.#reason = this.#options.reasonOf(err)
      if (!this.#isRetired) this.#options.outage.failed()
      this.#scheduleProbe()
      throw err
    }
  }

  #recover(): void {
    this.#circuit = 'closed'
    this.#reason = undefined
    this.#succeeded()
    this.#options.logger.info('the bucket store has recovered: the circuit is closed')
  }

  #scheduleProbe(): void {
    if (this.#isShutDown) return
    clearTimeout(this.#nextProbe)
    this.#nextProbe = setTimeout(() => this.probe().catch(() => undefined), PROBE_INTERVAL_MS).unref()
  }
}
