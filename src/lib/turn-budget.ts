import { FairShares } from './fair-shares.ts'
import type { Task } from './turns.ts'

/** How much less than the others a client can have spent when it begins to wait: this part of a turn. */
const TOLERANCE = 1 / 8

/**
 * The work of all clients in one turn of the event loop. Once it is spent, further tasks wait for the next turns; those of the clients
 * that have spent the least come first. A task that starts before may exceed it.
 */
export class TurnBudget {
  readonly #perTurn: number
  /** While tasks wait. */
  #waiting: FairShares<Task> | undefined
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
    this.#waiting ??= new FairShares(this.#perTurn * TOLERANCE)
    const waiting = this.#waiting
    waiting.add(client, task)
    this.#schedule()
    return () => waiting.delete(client, task)
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#renew())
  }

  #renew(): void {
    this.#isScheduled = false
    this.#left = this.#perTurn
    if (this.#waiting === undefined) return
    while (!this.isSpent && this.#runNext(this.#waiting));
    if (this.#waiting.size === 0) this.#waiting = undefined
    this.#schedule()
  }

  #runNext(waiting: FairShares<Task>): boolean {
    const next = waiting.take()
    if (next === undefined) return false
    const [client, task] = next
    const before = this.#left
    task.run()
    waiting.charge(client, before - this.#left)
    return true
  }
}
