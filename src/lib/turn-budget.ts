import { FairShares } from './fair-shares.ts'
import type { Task } from './turns.ts'

/** How much less than the others a client can have spent when it begins to wait: this part of a turn. */
const TOLERANCE = 1 / 8

/** The least work of a turn, however slow turns are: this part of the usual one. */
const LEAST = 1 / 8

/** After a turn that was not slow, the next one has this many times its work, up to the usual work. */
const GROWTH = 5 / 4

interface TurnBudgetOptions {
  readonly perTurn: number
  /** How long the tasks of a turn should take, in ms: if they take longer, the next turns have less work. Default: without a limit. */
  readonly turnMs?: number
  /** Turns without work after each one that leaves tasks, so that other events are not kept waiting. Default: none. */
  readonly turnsToRest?: number
}

/**
 * The work of all clients in one turn of the event loop. Once it is spent, further tasks wait for the next turns; those of the clients
 * that have spent the least come first. A task that starts before may exceed it.
 */
export class TurnBudget {
  readonly #options: Required<TurnBudgetOptions>
  /** While tasks wait. */
  #waiting: FairShares<Task> | undefined
  /** The work of a turn at present. */
  #perTurn: number
  #left: number
  #turnsToRest = 0
  #isScheduled = false

  constructor({ perTurn, turnMs = Number.POSITIVE_INFINITY, turnsToRest = 0 }: TurnBudgetOptions) {
    this.#options = { perTurn, turnMs, turnsToRest }
    this.#perTurn = perTurn
    this.#left = perTurn
  }

  get isSpent(): boolean {
    return this.#left <= 0
  }

  /** Whether more tasks wait than a turn has work for. */
  get isBehind(): boolean {
    return this.#waiting !== undefined && this.#waiting.size > this.#perTurn
  }

  spend(work: number): void {
    this.#left -= work
    this.#schedule()
  }

  /** Runs the task in a later turn. Returns a function that withdraws it, unless it has run. */
  add(client: string, task: Task): () => void {
    this.#waiting ??= new FairShares(this.#options.perTurn * TOLERANCE)
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
    if (this.#turnsToRest > 0) this.#turnsToRest--
    else this.#begin()
    if (this.#waiting !== undefined) this.#schedule()
  }

  #begin(): void {
    this.#left = this.#perTurn
    if (this.#waiting === undefined) return
    const startMs = performance.now()
    while (!this.isSpent && this.#runNext(this.#waiting));
    if (this.#waiting.size === 0) this.#waiting = undefined
    else this.#adapt((performance.now() - startMs) / this.#options.turnMs)
  }

  /** @param slowness how long the work of this turn took, as a part of what it may take */
  #adapt(slowness: number): void {
    const { perTurn, turnsToRest } = this.#options
    const fitting = slowness > 1 ? this.#perTurn / slowness : this.#perTurn * GROWTH
    this.#perTurn = Math.min(perTurn, Math.max(perTurn * LEAST, fitting))
    this.#turnsToRest = turnsToRest
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
