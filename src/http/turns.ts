/** How often tasks may run. */
interface Pace {
  readonly perSecond: number
  /** Tasks that may run at once after a rest. */
  readonly burst: number
}

/** For responses of up to megabytes that people and monitoring ask for: more than they need. */
export const LARGE_RESPONSE_PACE: Pace = { perSecond: 200, burst: 50 }

const UNLIMITED: Pace = { perSecond: Number.POSITIVE_INFINITY, burst: 0 }

/** A check takes several turns of the event loop, so two long tasks in a row would delay it twice. */
const LONG_TASK_MS = 5

/** The time that others have after a long task, as a multiple of the task's. */
const REST_PER_TASK_TIME = 5

/**
 * Runs tasks in order, at most one in two turns of the event loop. So other work waits for one task at most, and its I/O of one
 * turn is answered in the next. After a long task, others have five times as long.
 */
export class Turns {
  readonly #tasks: (() => void)[] = []
  readonly #intervalMs: number
  readonly #burstMs: number
  /** When the next task may run, by `performance.now()`. */
  #dueMs = 0

  constructor({ perSecond, burst } = UNLIMITED) {
    this.#intervalMs = 1_000 / perSecond
    this.#burstMs = burst * this.#intervalMs
  }

  add(task: () => void): void {
    this.#tasks.push(task)
    if (this.#tasks.length === 1) this.#schedule()
  }

  /** Resolves when the caller may run its task. */
  next(): Promise<void> {
    return new Promise(resolve => this.add(resolve))
  }

  #schedule(): void {
    const waitMs = this.#dueMs - performance.now()
    if (waitMs > 0) setTimeout(() => this.#run(), waitMs).unref()
    else setImmediate(() => setImmediate(() => this.#run()))
  }

  #run(): void {
    const startMs = performance.now()
    try {
      this.#tasks[0]?.()
    } finally {
      this.#tasks.shift()
      this.#dueMs = Math.max(this.#dueMs, startMs - this.#burstMs) + this.#intervalMs
      this.#rest(performance.now() - startMs)
      if (this.#tasks.length > 0) this.#schedule()
    }
  }

  #rest(tookMs: number): void {
    if (tookMs > LONG_TASK_MS) this.#dueMs = Math.max(this.#dueMs, performance.now() + REST_PER_TASK_TIME * tookMs)
  }
}
