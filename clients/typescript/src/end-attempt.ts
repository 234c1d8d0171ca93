import { setTimeout as sleep } from 'node:timers/promises'
import { isTemporary, isWithoutEffect } from './failure-kinds.ts'
import type { Failures } from './failures.ts'
import type { Hold, HoldEnd } from './hold.ts'
import type { Settlement } from './reservation.ts'

/** How long the service takes a settlement after the hold has expired, in ms. A release gives nothing back then. */
const SETTLED_LATE_MS = 600_000

const FIRST_PAUSE_MS = 100
const MAX_PAUSE_MS = 30_000

/**
 * An attempt to end a hold. If the service does not answer, it is asked again, until it answers or until it would no
 * longer take the settlement.
 */
export class EndAttempt {
  readonly end: HoldEnd
  /** The result for the caller, who waits for the first call only. Its rejection does not count as unhandled. */
  readonly settlement: Promise<Settlement>
  readonly #hold: Hold
  readonly #failures: Failures
  #mayHaveEnded = false
  #isInProgress = true

  constructor(hold: Hold, end: HoldEnd, failures: Failures) {
    this.#hold = hold
    this.end = end
    this.#failures = failures
    this.settlement = this.#start()
    this.settlement.catch(() => undefined)
  }

  /** Whether it is over, and certainly has not ended the hold. */
  get hasChangedNothing(): boolean {
    return !this.#isInProgress && !this.#mayHaveEnded
  }

  async #start(): Promise<Settlement> {
    try {
      return await this.#call()
    } catch (failure) {
      if (!this.#isInProgress) return this.#failures.settlement(failure)
      this.#failures.report(failure)
      void this.#repeat()
      return { status: 'pending', checks: [], failure }
    }
  }

  /** Never rejects. Its timers keep no process alive. */
  async #repeat(): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; this.#isInProgress; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
      // Callers that failed together do not ask again together.
      await sleep(pauseMs * (0.5 + Math.random() / 2), undefined, { ref: false })
      if (this.#isInTime) await this.#call().catch(failure => this.#failures.report(failure))
      else this.#isInProgress = false
    }
  }

  /** False also for a time to live that is not a number, which the service refuses. */
  get #isInTime(): boolean {
    return performance.now() < this.#hold.expiresAtMs + (this.end === 'released' ? 0 : SETTLED_LATE_MS)
  }

  async #call(): Promise<Settlement> {
    try {
      const settlement = await this.#hold.end(this.end)
      this.#mayHaveEnded ||= settlement.status !== 'none'
      this.#isInProgress = false
      return settlement
    } catch (failure) {
      this.#mayHaveEnded ||= !isWithoutEffect(failure)
      this.#isInProgress = isTemporary(failure)
      throw failure
    }
  }
}
