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

/**
 * The weight of the late checks that begin in one turn of the event loop. The process decides them without the store, which costs it several
 * times as much.
 */
const MAX_LATE_CHECKS = 100

/** The connection that waits, and the address of its client. */
type Waiter = Parameters<Admission['addFor']>[0]
type LateTask = Parameters<Admission['addFor']>[1] & { readonly weight: number }

/** A batch is late if its deadline has come before its turn. */
export type Turn = 'in time' | 'late'

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
  /** Late batches. Their checks do not ask the store, so a batch ends in the turn of the event loop in which it begins. */
  readonly #late: Admission
  readonly #maxWaiting: number
  #isDraining = false

  /** @param maxWaiting checks that may wait for the store; as many may wait here in small batches, in others, and in late ones */
  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting
    this.#small = new Admission({ maxWeight: Math.min(MAX_CHECKS_IN_SMALL, maxWaiting / 4), maxWaiting })
    this.#large = new Admission({ maxWeight: Math.min(MAX_CHECKS_UNDER_WAY, maxWaiting / 2), maxWaiting })
    this.#late = new Admission({ maxWeight: MAX_LATE_CHECKS, maxWaiting })
  }

  #admissionOf(weight: number): Admission {
    return weight <= SMALL_BATCH ? this.#small : this.#large
  }

  /**
   * Returns nothing if the batch may be decided now; else a promise that resolves when it may be, or never, if its connection closes
   * before. Call `end` once it is decided, unless it is late.
   * @throws {Problem} `overloaded` or `draining`, as a rejection
   */
  next(request: Waiter, batch: Batch): Promise<Turn> | undefined {
    const { checks: size, weight, deadlineMs = Number.POSITIVE_INFINITY } = batch
    const admission = this.#admissionOf(weight)
    if (admission.tryBegin(weight)) return undefined
    return new Promise((resolve, reject) => {
      const drop = () => reject(this.#isDraining ? draining() : this.#refusal())
      const beginLate = () => {
        withdraw()
        this.#beginLate(request, { weight, size, run: () => resolve('late'), drop })
      }
      const timer = timerUntil(deadlineMs, beginLate)
      const leaving = (then: () => void) => () => {
        clearTimeout(timer)
        then()
      }
      const withdraw = admission.addFor(request, {
        weight,
        size,
        run: leaving(() => resolve('in time')),
        drop: leaving(drop),
        gone: leaving(() => undefined),
      })
    })
  }

  #beginLate(request: Waiter, task: LateTask): void {
    const run = () => {
      this.#late.end(task.weight)
      task.run()
    }
    if (this.#late.tryBegin(task.weight)) run()
    else this.#late.addFor(request, { ...task, run })
  }

  /** Refuses the batches that wait, since the process drains. */
  dropWaiting(): void {
    this.#isDraining = true
    this.#small.dropAll()
    this.#large.dropAll()
    this.#late.dropAll()
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
