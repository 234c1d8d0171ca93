import { FairQueue } from '../lib/fair-queue.ts'
import { FairShares } from '../lib/fair-shares.ts'
import type { PacedConnection } from './paced-connection.ts'
import { EXPECTED_AGAIN } from './read-estimate.ts'

/** How much less than the others a client can have sent when it begins to wait: this part of a turn. */
const TOLERANCE = 1 / 8

/** Idle connections that are resumed in a turn, to see whether they still are. Each takes about 2 µs. */
const IDLE_PER_TURN = 1_024

/**
 * Connections that wait to be read. Those of the clients that have sent the fewest requests come first, about as many as a turn has time
 * for. Beside them, idle ones take turns, since nobody should wait for those that have nothing to read. Whatever the order in which the
 * system reads those that are resumed together, all of them are read before others are resumed. So that these are few in a flood from new
 * connections, each new one is expected to have about as much to read as those before it.
 */
export class WaitingConnections {
  readonly #perTurn: number
  readonly #shares: FairShares<PacedConnection>
  readonly #idle = new FairQueue<PacedConnection>()
  /** Resumed in this turn, and not read yet. */
  #resumed = new Set<PacedConnection>()
  /** Resumed before, in a turn that was full before they were read. */
  readonly #passedOver = new Set<PacedConnection>()
  /** How many were resumed in this turn, without idle ones. */
  #taken = 0
  /** Requests that are expected of the next ones. */
  #toExpect: number
  /** Requests that are expected of a new connection at least. */
  #ofNew = 0

  /** @param perTurn requests in a turn */
  constructor(perTurn: number) {
    this.#perTurn = perTurn
    this.#toExpect = perTurn
    this.#shares = new FairShares(perTurn * TOLERANCE)
  }

  get size(): number {
    return this.#shares.size + this.#idle.weight + this.#passedOver.size
  }

  add(connection: PacedConnection): void {
    if (this.#resumed.delete(connection)) this.#passedOver.add(connection)
    else {
      this.#settle(connection)
      const queue = connection.estimate.isIdle ? this.#idle : this.#shares
      queue.add(connection.client, connection)
    }
  }

  delete(connection: PacedConnection): void {
    this.#resumed.delete(connection)
    this.#passedOver.delete(connection)
    this.#shares.delete(connection.client, connection)
    this.#idle.delete(connection.client, connection)
  }

  /** Something of a connection was read. @param requests what it counts */
  wasRead(connection: PacedConnection, requests: number): void {
    this.#resumed.delete(connection)
    this.#shares.charge(connection.client, connection.estimate.add(requests))
    this.#ofNew = Math.max(this.#ofNew, connection.estimate.firstRead)
    // It was read before it was paused, and is counted only now.
    if (this.#passedOver.delete(connection)) this.add(connection)
  }

  /**
   * In a turn that was not full, everything was read. If most connections had nothing to read although they were not idle, twice as many
   * are resumed in the next one.
   */
  endTurn(wasFull: boolean): void {
    const hadNothing = wasFull ? 0 : countActive(this.#resumed)
    this.#toExpect = 2 * hadNothing > this.#taken ? 2 * this.#toExpect : this.#perTurn
    this.#taken = 0
    if (!wasFull) for (const connection of this.#resumed) this.#settle(connection)
    if (this.#resumed.size > 0) this.#resumed = new Set()
  }

  /** Takes those that are resumed now. */
  take(): readonly PacedConnection[] {
    const taken = this.#passedOver.size > 0 ? [...this.#passedOver] : [...this.#takeActive(), ...this.#takeIdle()]
    this.#passedOver.clear()
    for (const connection of taken) this.#resumed.add(connection)
    this.#taken = countActive(taken)
    return taken
  }

  #takeActive(): readonly PacedConnection[] {
    const taken: PacedConnection[] = []
    let expected = 0
    while (expected < this.#toExpect) {
      const next = this.#shares.take()
      if (next === undefined) break
      const [, connection] = next
      expected += Math.max(this.#expectOfNew(connection), this.#prepay(connection))
      taken.push(connection)
    }
    return taken
  }

  #takeIdle(): readonly PacedConnection[] {
    const taken: PacedConnection[] = []
    for (let i = Math.min(IDLE_PER_TURN, this.#idle.weight); i > 0; i--) {
      const connection = this.#idle.take() as PacedConnection
      this.#prepay(connection)
      taken.push(connection)
    }
    return taken
  }

  /** Requests that are expected of a connection if it is new. Its client does not pay for them in advance: it may have sent few. */
  #expectOfNew({ estimate }: PacedConnection): number {
    if (!estimate.isNew) return 0
    const expected = this.#ofNew
    this.#ofNew *= EXPECTED_AGAIN
    return expected
  }

  #prepay({ client, estimate }: PacedConnection): number {
    const paid = estimate.begin()
    this.#shares.charge(client, paid)
    return paid
  }

  #settle({ client, estimate }: PacedConnection): void {
    this.#shares.charge(client, -estimate.settle())
  }
}

function countActive(connections: Iterable<PacedConnection>): number {
  let count = 0
  for (const { estimate } of connections) if (!estimate.isIdle) count++
  return count
}
