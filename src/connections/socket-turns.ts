import { FairQueue } from '../lib/fair-queue.ts'

/** Connections that are read again at first after a full turn. */
const RESUMED_AFTER_FULL_TURN = 4

/** A connection that can be told to wait. */
export interface PacedConnection {
  /** The address of its client. */
  readonly client: string
  pauseReading(): void
  resumeReading(): void
}

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
 * connection is read until a later turn, and then a few, in which clients take turns. Most connections have little to read, so from turn
 * to turn twice as many are read again, until a turn is full.
 */
export class SocketTurns {
  readonly #options: Required<SocketTurnsOptions>
  readonly #reading = new Set<PacedConnection>()
  readonly #waiting = new FairQueue<PacedConnection>()
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
    if (!this.#reading.delete(connection)) this.#waiting.delete(connection.client, connection)
  }

  /** A request begins. */
  count(): void {
    this.#schedule()
    if (--this.#left <= 0) this.#pauseAll()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#renew())
  }

  #pauseAll(): void {
    for (const connection of this.#reading) {
      connection.pauseReading()
      this.#waiting.add(connection.client, connection)
    }
    this.#reading.clear()
  }

  #renew(): void {
    this.#isScheduled = false
    this.#turn++
    const wasFull = this.#left <= 0
    this.#left = this.#options.perTurn
    if (this.#waiting.weight === 0) return
    this.#left = this.#options.perTurnOfWaiting
    if (wasFull) this.#rest()
    else if (this.#turnsToRest > 0) this.#turnsToRest--
    else this.#resumeNext()
    this.#schedule()
  }

  #rest(): void {
    this.#turnsToRest = this.#options.turnsToRest
    this.#toResume = RESUMED_AFTER_FULL_TURN
  }

  #resumeNext(): void {
    for (let i = 0; i < this.#toResume; i++) {
      const connection = this.#waiting.take()
      if (connection === undefined) return
      this.#reading.add(connection)
      connection.resumeReading()
    }
    this.#toResume *= 2
  }
}
