import { FairQueue } from '../lib/fair-queue.ts'

/** Calls of all connections in one turn of the event loop: some 10 ms. Four connections can begin all their calls at once. */
const CALLS_PER_TURN = 128

/** Connections that are read again at first after a full turn. */
const RESUMED_AFTER_FULL_TURN = 4

/** A check of another protocol takes several turns, so after a full one, others have some without calls. */
const TURNS_WITHOUT_CALLS = 3

/** A connection that can be told to wait. */
export interface PacedConnection {
  /** The address of its client. */
  readonly client: string
  pauseReading(): void
  resumeReading(): void
}

/**
 * Bounds the calls that begin in one turn of the event loop. node:http2 begins all calls that it reads, so once there are enough, no
 * connection is read for some turns, and then a few, in which clients take turns. Most connections have little to read, so from turn to
 * turn twice as many are read again, until a turn is full.
 */
export class CallTurns {
  readonly #reading = new Set<PacedConnection>()
  readonly #waiting = new FairQueue<PacedConnection>()
  #left = CALLS_PER_TURN
  #toResume = RESUMED_AFTER_FULL_TURN
  #turn = 0
  #turnsToRest = 0
  #isScheduled = false

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

  /** A call begins. */
  count(): void {
    this.#schedule()
    if (--this.#left === 0) this.#pauseAll()
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
    this.#left = CALLS_PER_TURN
    if (this.#waiting.weight === 0) return
    if (wasFull) this.#rest()
    else if (this.#turnsToRest > 0) this.#turnsToRest--
    else this.#resumeNext()
    this.#schedule()
  }

  #rest(): void {
    this.#turnsToRest = TURNS_WITHOUT_CALLS
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
