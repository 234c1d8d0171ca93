import { FairQueue } from './fair-queue.ts'
import type { Task } from './turns.ts'

/**
 * The work of all clients in one turn of the event loop. Once it is spent, further tasks wait for the next turns; clients take turns. A
 * task that starts before may exceed it.
 */
export class TurnBudget {
  readonly #perTurn: number
  readonly #waiting = new FairQueue<Task>()
  #left: number
  #isScheduled = false

  constructor(perTurn: number) {
    this.#perTurn = perTurn
    this.#left = perTurn
  }

  get isSpent(): boolean {
    return this.#left <= 0
  }

  spend(work: number): void {
    this.#left -= work
    this.#schedule()
  }

  /** Runs the task in a later turn. Returns a function that withdraws it, unless it has run. */
  add(client: string, task: Task): () => void {
    this.#waiting.add(client, task)
    this.#schedule()
    return () => this.#waiting.delete(client, task)
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#renew())
  }

  #renew(): void {
    this.#isScheduled = false
    this.#left = this.#perTurn
    while (!this.isSpent) {
      const task = this.#waiting.take()
      if (task === undefined) return
      task.run()
    }
    this.#schedule()
  }
}
