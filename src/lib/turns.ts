import { FairQueue } from './fair-queue.ts'

/** How often tasks may run. By default, as often as they can. */
interface Pace {
  readonly perSecond: number
  /** Tasks that may run at once after a rest. */
  readonly burst: number
  /** Tasks that may wait. */
  readonly maxWaiting: number
  /** The time that others have after a long task, as a multiple of the task's. */
  readonly restPerTaskTime: number
}

export interface Task {
  /** What it counts where the weight of the tasks under way is bounded. Default: 1. */
  readonly weight?: number
  /** What it counts where the tasks that wait are bounded. Default: its weight. */
  readonly size?: number
  run(): void
  /** It will not run: too many tasks wait, and the most of them are its client's; or all waiting tasks are dropped. */
  drop?(): void
}

const DEFAULTS: Pace = {
  perSecond: Number.POSITIVE_INFINITY,
  burst: 0,
  maxWaiting: Number.POSITIVE_INFINITY,
  restPerTaskTime: 5,
}

/** A check takes several turns of the event loop, so two long tasks in a row would delay it twice. */
const LONG_TASK_MS = 5

/**
 * Runs tasks at most one in two turns of the event loop. So other work waits for one task at most, and its I/O of one turn is
 * answered in the next. After a long task, others have some time. Clients take turns, each with its tasks in order.
 */
export class Turns {
  readonly #waiting = new FairQueue<Task>()
  readonly #maxWaiting: number
  readonly #intervalMs: number
  readonly #burstMs: number
  readonly #restPerTaskTime: number
  #isScheduled = false
  /** When the next task may run, by `performance.now()`. */
  #dueMs = 0

  constructor(pace: Partial<Pace> = {}) {
    const { perSecond, burst, maxWaiting, restPerTaskTime } = { ...DEFAULTS, ...pace }
    this.#maxWaiting = maxWaiting
    this.#restPerTaskTime = restPerTaskTime
    this.#intervalMs = 1_000 / perSecond
    this.#burstMs = burst * this.#intervalMs
  }

  /** Returns a function that withdraws the task, unless it has run. */
  add(client: string, task: Task): () => void {
    this.#waiting.add(client, task)
    if (this.#waiting.weight > this.#maxWaiting) this.#waiting.dropFromLongest()?.[1].drop?.()
    this.#schedule()
    return () => this.#waiting.delete(client, task)
  }

  /** Drops all tasks that wait. */
  dropAll(): void {
    for (const task of this.#waiting.takeAll()) task.drop?.()
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.weight === 0) return
    this.#isScheduled = true
    const waitMs = this.#dueMs - performance.now()
    if (waitMs > 0) setTimeout(() => this.#run(), waitMs).unref()
    else setImmediate(() => setImmediate(() => this.#run()))
  }

  #run(): void {
    this.#isScheduled = false
    const task = this.#waiting.take()
    if (task === undefined) return
    const startMs = performance.now()
    try {
      task.run()
    } finally {
      this.#dueMs = Math.max(this.#dueMs, startMs - this.#burstMs) + this.#intervalMs
      this.#rest(performance.now() - startMs)
      this.#schedule()
    }
  }

  #rest(tookMs: number): void {
    if (tookMs > LONG_TASK_MS) this.#dueMs = Math.max(this.#dueMs, performance.now() + this.#restPerTaskTime * tookMs)
  }
}
