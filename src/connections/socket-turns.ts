import type { PacedConnection } from './paced-connection.ts'
import { WaitingConnections } from './waiting-connections.ts'

/** Connections of busy clients that are read again at first after a full turn. */
const RESUMED_AFTER_FULL_TURN = 4

/** Connections of other clients that are read again in a turn. Usually they have one request at most. */
const RESUMED_OF_OTHERS = 256

/** A client is busy if it has sent at least this part of the requests of a full turn. */
const BUSY_PART = 1 / 32

interface SocketTurnsOptions {
  /** Requests of all connections in one turn of the event loop. */
  readonly perTurn: number
  /** The same while connections wait. Default: as many. */
  readonly perTurnOfWaiting?: number
  /** Turns after a full one in which no connection that waits is read. Default: none. */
  readonly turnsToRest?: number
}

/**
 * Bounds the requests that are read in one turn of the event loop. Node begins all requests that it reads, so once there are enough, no
 * connection is read until a later turn. Those of the clients that have sent the most are then read a few at a time, in which clients take
 * turns. Most connections have little to read, so from turn to turn twice as many are read again, until a turn is full.
 */
export class SocketTurns {
  readonly #options: Required<SocketTurnsOptions>
  readonly #reading = new Set<PacedConnection>()
  readonly #waiting = new WaitingConnections()
  /** Connections of busy clients. */
  readonly #waitingBusy = new WaitingConnections()
  /**
   * Requests of each client in this turn. Each turn has its own map: a map that lives on moves to the old generation, and each time that it
   * is cleared, V8 creates a new table there, which stays until the old generation is collected.
   */
  #requests = new Map<string, number>()
  #busyClients = new Set<string>()
  #left: number
  #toResume = RESUMED_AFTER_FULL_TURN
  #turn = 0
  #turnsToRest = 0
  #isScheduled = false

  constructor({ perTurn, perTurnOfWaiting = perTurn, turnsToRest = 0 }: SocketTurnsOptions) {
    this.#options = { perTurn, perTurnOfWaiting, turnsToRest }
    this.#left = perTurn
  }

  /** The number of the turn. */
  get turn(): number {
    return this.#turn
  }

  add(connection: PacedConnection): void {
    this.#reading.add(connection)
  }

  delete(connection: PacedConnection): void {
    this.#reading.delete(connection)
    this.#waiting.delete(connection)
    this.#waitingBusy.delete(connection)
  }

  /** A request of a connection begins. @param amount what it counts: less than 1 for a part of a request */
  count(connection: PacedConnection, amount = 1): void {
    const { client } = connection
    this.#schedule()
    this.#waiting.wasRead(connection)
    this.#waitingBusy.wasRead(connection)
    this.#requests.set(client, (this.#requests.get(client) ?? 0) + amount)
    const wasFull = this.#left <= 0
    this.#left -= amount
    if (this.#left > 0) return
    if (!wasFull) this.#findBusyClients()
    this.#pauseAll()
  }

  #findBusyClients(): void {
    let total = 0
    for (const requests of this.#requests.values()) total += requests
    for (const [client, requests] of this.#requests) if (requests >= total * BUSY_PART) this.#busyClients.add(client)
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#renew())
  }

  #pauseAll(): void {
    for (const connection of this.#reading) {
      connection.pauseReading()
      const queue = this.#busyClients.has(connection.client) ? this.#waitingBusy : this.#waiting
      queue.add(connection)
    }
    this.#reading.clear()
  }

  #renew(): void {
    this.#isScheduled = false
    this.#turn++
    this.#requests = new Map()
    this.#waiting.endTurn()
    this.#waitingBusy.endTurn()
    const wasFull = this.#left <= 0
    this.#left = this.#options.perTurn
    if (this.#waiting.size + this.#waitingBusy.size === 0) {
      if (this.#busyClients.size > 0) this.#busyClients = new Set()
      return
    }
    this.#left = this.#options.perTurnOfWaiting
    if (wasFull) this.#rest()
    else if (this.#turnsToRest > 0) this.#turnsToRest--
    else this.#resumeBusy()
    if (this.#turnsToRest === 0) this.#resume(this.#waiting, RESUMED_OF_OTHERS)
    this.#schedule()
  }

  #rest(): void {
    this.#turnsToRest = this.#options.turnsToRest
    this.#toResume = RESUMED_AFTER_FULL_TURN
  }

  #resumeBusy(): void {
    this.#resume(this.#waitingBusy, this.#toResume)
    this.#toResume *= 2
  }

  #resume(waiting: WaitingConnections, most: number): void {
    for (const connection of waiting.take(most)) {
      this.#reading.add(connection)
      connection.resumeReading()
    }
  }
}
