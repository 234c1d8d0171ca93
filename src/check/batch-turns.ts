import { Admission } from '../access/admission.ts'
import { draining } from '../lib/draining.ts'
import { Problem } from '../lib/errors.ts'
import { MAX_TIMER_MS } from '../lib/max-timer.ts'

/**
 * The weight of the checks that are under way in batches before another batch has to wait: enough to keep the store busy. They take a few
 * milliseconds, and leave room for the checks of others.
 */
const MAX_CHECKS_UNDER_WAY = 2_000

/** The weight of a small batch: it is like a few checks, so it waits for other small ones only. */
const SMALL_BATCH = 32

/** The weight of the checks that are under way in small batches before another one has to wait. */
const MAX_CHECKS_IN_SMALL = 500

/** The connection that waits, and the address of its client. */
type Waiter = Parameters<Admission['addFor']>[0]

interface Batch {
  /** Their number. */
  readonly checks: number
  readonly weight: number
  /** When they are decided without the store, by `performance.now()`. Default: Infinity. */
  readonly deadlineMs?: number
}

/**
 * Admits batches by the weight of their checks, see `check-weight.ts`. Otherwise the batches of one client could make up all the checks
 * that may wait for the store, and those of one turn of the event loop would keep the process from others.
 */
export class BatchTurns {
  readonly #small: Admission
  readonly #large: Admission
  readonly #maxWaiting: number
  #isDraining = false

  /** @param maxWaiting checks that may wait for the store; as many may wait here in small batches, and as many in others */
  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting
    this.#small = new Admission({ maxWeight: Math.min(MAX_CHECKS_IN_SMALL, maxWaiting / 4), maxWaiting })
    this.#large = new Admission({ maxWeight: Math.min(MAX_CHECKS_UNDER_WAY, maxWaiting / 2), maxWaiting })
  }

  #admissionOf(weight: number): Admission {
    return weight <= SMALL_BATCH ? this.#small : this.#large
  }

  /**
   * Returns nothing if the batch may be decided now; else a promise that resolves when it may be, at its deadline in any case, or never, if
   * its connection closes before. Call `end` once it is decided.
   * @throws {Problem} `overloaded` or `draining`, as a rejection
   */
  next(request: Waiter, batch: Batch): Promise<void> | undefined {
    const { checks, weight, deadlineMs = Number.POSITIVE_INFINITY } = batch
    const admission = this.#admissionOf(weight)
    if (admission.tryBegin(weight)) return undefined
    return new Promise((resolve, reject) => {
      const beginLate = () => {
        withdraw()
        admission.beginNow(weight)
        resolve()
      }
      const timer = timerUntil(deadlineMs, beginLate)
      const leaving = (then: () => void) => () => {
        clearTimeout(timer)
        then()
      }
      const withdraw = admission.addFor(request, {
        weight,
        size: checks,
        run: leaving(resolve),
        drop: leaving(() => reject(this.#isDraining ? draining() : this.#refusal())),
        gone: leaving(() => undefined),
      })
    })
  }

  /** Refuses the batches that wait, since the process drains. */
  dropWaiting(): void {
    this.#isDraining = true
    this.#small.dropAll()
    this.#large.dropAll()
  }

  /** @param weight that it had */
  end(weight: number): void {
    this.#admissionOf(weight).end(weight)
  }

  #refusal(): Problem {
    return new Problem(
      'overloaded',
      `more than ${this.#maxWaiting} checks wait in batches, as many as MAX_WAITING_CHECKS allows`,
    )
  }
}

/** Sets no timer for a time that is further away than a timer can wait, such as Infinity. */
function timerUntil(atMs: number, run: () => void): NodeJS.Timeout | undefined {
  const ms = atMs - performance.now()
  return ms > MAX_TIMER_MS ? undefined : setTimeout(run, ms)
}
