import { type RequestTask, type Waiter, waitForTurn } from '../connections/wait-for-turn.ts'
import type { Task } from '../lib/turns.ts'
import { WeighedQueue } from '../lib/weighed-queue.ts'

interface Bounds {
  /**
   * The weight that tasks under way can reach, or those that begin in one turn of the event loop, before another has to wait. The
   * last one can exceed it, so a task of any weight runs at some time.
   */
  readonly maxWeight: number
  /** The size of the tasks that may wait. Default: no bound. */
  readonly maxWaiting?: number
}

/**
 * Bounds the tasks that are under way at once. Others wait, each client's in order, and clients have equal shares of the weight that
 * begins.
 */
export class Admission {
  readonly #waiting: WeighedQueue<Task>
  readonly #maxWeight: number
  readonly #maxWaiting: number
  #underWay = 0
  #begunInThisTurn = 0
  #isTurnScheduled = false

  constructor({ maxWeight, maxWaiting = Number.POSITIVE_INFINITY }: Bounds) {
    this.#waiting = new WeighedQueue({ costOf: weightOf, sizeOf, tolerance: maxWeight })
    this.#maxWeight = maxWeight
    this.#maxWaiting = maxWaiting
  }

  /** Begins a task now, if there is room and no task waits. Whoever begins a task calls `end` when it has ended. */
  tryBegin(weight: number): boolean {
    if (this.#waiting.size > 0 || !this.#hasRoom()) return false
    this.#begin(weight)
    return true
  }

  /** Begins a task, by running it, when it is its turn. Returns a function that withdraws it, unless it has begun. */
  add(client: string, task: Task): () => void {
    this.#waiting.add(client, task)
    while (this.#waiting.size > this.#maxWaiting) this.#waiting.dropFromLargest()?.drop?.()
    this.#scheduleTurn()
    return () => this.#waiting.delete(client, task)
  }

  /** Adds a task for a request, which leaves the queue when the connection closes. Returns a function that withdraws it. */
  addFor(request: Waiter, task: RequestTask): () => void {
    return waitForTurn(this, request, task)
  }

  /** Drops all tasks that wait. */
  dropAll(): void {
    for (const task of this.#waiting.takeAll()) task.drop?.()
  }

  /** A task has ended. */
  end(weight: number): void {
    this.#underWay -= weight
    if (this.#waiting.size > 0) this.#scheduleTurn()
  }

  #hasRoom(): boolean {
    return this.#underWay < this.#maxWeight && this.#begunInThisTurn < this.#maxWeight
  }

  #begin(weight: number): void {
    this.#underWay += weight
    this.#begunInThisTurn += weight
    this.#scheduleTurn()
  }

  #scheduleTurn(): void {
    if (this.#isTurnScheduled) return
    this.#isTurnScheduled = true
    setImmediate(() => {
      this.#isTurnScheduled = false
      this.#begunInThisTurn = 0
      this.#beginWaiting()
    })
  }

  #beginWaiting(): void {
    while (this.#hasRoom()) {
      const task = this.#waiting.take()
      if (task === undefined) return
      this.#begin(weightOf(task))
      task.run()
    }
  }
}

function weightOf({ weight = 1 }: Task): number {
  return weight
}

function sizeOf(task: Task): number {
  return task.size ?? weightOf(task)
}
