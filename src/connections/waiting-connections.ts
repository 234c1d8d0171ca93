import { FairQueue } from '../lib/fair-queue.ts'
import type { PacedConnection } from './paced-connection.ts'

/**
 * Connections that wait to be read. Clients take turns. Whatever the order in which the system reads those that are resumed together, all of
 * them are read before others are resumed.
 */
export class WaitingConnections {
  readonly #queue = new FairQueue<PacedConnection>()
  /** Resumed in this turn, and not read yet. */
  #resumed = new Set<PacedConnection>()
  /** Resumed before, in a turn that was full before they were read. */
  readonly #passedOver = new Set<PacedConnection>()

  get size(): number {
    return this.#queue.weight + this.#passedOver.size
  }

  add(connection: PacedConnection): void {
    if (this.#resumed.delete(connection)) this.#passedOver.add(connection)
    else this.#queue.add(connection.client, connection)
  }

  delete(connection: PacedConnection): void {
    this.#resumed.delete(connection)
    this.#passedOver.delete(connection)
    this.#queue.delete(connection.client, connection)
  }

  /** Something of a connection was read. */
  wasRead(connection: PacedConnection): void {
    if (this.#resumed.size > 0) this.#resumed.delete(connection)
  }

  /** In a turn that was not full, everything was read. */
  endTurn(): void {
    if (this.#resumed.size > 0) this.#resumed = new Set()
  }

  /** Takes the next ones, which are resumed now. */
  take(most: number): readonly PacedConnection[] {
    const taken = this.#passedOver.size > 0 ? this.#takePassedOver(most) : this.#takeQueued(most)
    for (const connection of taken) this.#resumed.add(connection)
    return taken
  }

  #takePassedOver(most: number): readonly PacedConnection[] {
    const taken = [...this.#passedOver].slice(0, most)
    for (const connection of taken) this.#passedOver.delete(connection)
    return taken
  }

  #takeQueued(most: number): readonly PacedConnection[] {
    const taken: PacedConnection[] = []
    for (let i = Math.min(most, this.#queue.weight); i > 0; i--) taken.push(this.#queue.take() as PacedConnection)
    return taken
  }
}
