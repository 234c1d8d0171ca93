import { FairShares } from '../lib/fair-shares.ts'
import type { PacedConnection } from './paced-connection.ts'

/** How much less than the others a client can have sent when it begins to wait: this part of a turn. */
const TOLERANCE = 1 / 8

/** Connections that are resumed in a turn. Most have nothing to read. */
const MAX_RESUMED = 512

/**
 * Connections that wait to be read. Those of the clients that have sent the fewest requests come first, about as many as a turn has time
 * for. Whatever the order in which the system reads those that are resumed together, all of them are read before others are resumed.
 */
export class WaitingConnections {
  readonly #perTurn: number
  readonly #shares: FairShares<PacedConnection>
  /** Resumed in this turn, and not read yet. */
  #resumed = new Set<PacedConnection>()
  /** Resumed before, in a turn that was full before they were read. */
  readonly #passedOver = new Set<PacedConnection>()
  /** How many were resumed in this turn. */
  #taken = 0
  /** Requests that are expected of the next ones. */
  #toExpect: number

  /** @param perTurn requests in a turn */
  constructor(perTurn: number) {
    this.#perTurn = perTurn
    this.#toExpect = perTurn
    this.#shares = new FairShares(perTurn * TOLERANCE)
  }

  get size(): number {
    return this.#shares.size + this.#passedOver.size
  }

  add(connection: PacedConnection): void {
    if (this.#resumed.delete(connection)) this.#passedOver.add(connection)
    else {
      this.#settle(connection)
      this.#shares.add(connection.client, connection)
    }
  }

  delete(connection: PacedConnection): void {
    this.#resumed.delete(connection)
    this.#passedOver.delete(connection)
    this.#shares.delete(connection.client, connection)
  }

  /** Something of a connection was read. @param requests what it counts */
  wasRead(connection: PacedConnection, requests: number): void {
    this.#resumed.delete(connection)
    this.#shares.charge(connection.client, connection.estimate.add(requests))
  }

  /**
   * In a turn that was not full, everything was read. If most connections had nothing to read, twice as many are resumed in the next one.
   */
  endTurn(wasFull: boolean): void {
    const hadNothing = wasFull ? 0 : this.#resumed.size
    this.#toExpect = 2 * hadNothing > this.#taken ? 2 * this.#toExpect : this.#perTurn
    this.#taken = 0
    if (!wasFull) for (const connection of this.#resumed) this.#settle(connection)
    if (this.#resumed.size > 0) this.#resumed = new Set()
  }

  /** Takes those that are resumed now. */
  take(): readonly PacedConnection[] {
    const taken = this.#passedOver.size > 0 ? [...this.#passedOver] : this.#takeNext()
    this.#passedOver.clear()
    for (const connection of taken) this.#resumed.add(connection)
    this.#taken = taken.length
    return taken
  }

  #takeNext(): readonly PacedConnection[] {
    const taken: PacedConnection[] = []
    let expected = 0
    while (expected < this.#toExpect && taken.length < MAX_RESUMED) {
      const next = this.#shares.take()
      if (next === undefined) break
      const [client, connection] = next
      const paid = connection.estimate.begin()
      this.#shares.charge(client, paid)
      taken.push(connection)
      expected += paid
    }
    return taken
  }

  #settle({ client, estimate }: PacedConnection): void {
    this.#shares.charge(client, -estimate.settle())
  }
}
