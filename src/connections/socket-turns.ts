import type { PacedConnection } from './paced-connection.ts'
import { WaitingConnections } from './waiting-connections.ts'

interface SocketTurnsOptions {
  /** Requests of all connections in one turn of the event loop. */
  readonly perTurn: number
  /** The same while connections wait. Default: as many. */
  readonly perTurnOfWaiting?: number
  /** Turns after a full one in which no connection that waits is read. Default: none. */
  readonly turnsToRest?: number
  /** Whether connections that wait are not read for now. Default: never. */
  readonly isBehind?: () => boolean
  /** Counts what was read and not counted yet. Called at the end of each turn while connections wait. Default: everything is counted. */
  readonly countRest?: () => void
}

/**
 * Bounds the requests that are read in one turn of the event loop. Node begins all requests that it reads, so once there are enough, no
 * connection is read until a later turn. Then a few are read at a time, once each, first those of the clients that have sent the fewest
 * requests, until no connection waits.
 */
export class SocketTurns {
  readonly #options: Required<SocketTurnsOptions>
  readonly #reading = new Set<PacedConnection>()
  /** Since a turn was full, until no connection waits. */
  #waiting: WaitingConnections | undefined
  #left: number
  #turn = 0
  #turnsToRest = 0
  #isScheduled = false

  constructor({
    perTurn,
    perTurnOfWaiting = perTurn,
    turnsToRest = 0,
    isBehind = () => false,
    countRest = () => undefined,
  }: SocketTurnsOptions) {
    this.#options = { perTurn, perTurnOfWaiting, turnsToRest, isBehind, countRest }
    this.#left = perTurn
  }

  /** The number of the turn. */
  get turn(): number {
    return this.#turn
  }

  add(connection: PacedConnection): void {
    if (this.#waiting) this.#pause(this.#waiting, connection)
    else this.#reading.add(connection)
  }

  delete(connection: PacedConnection): void {
    this.#reading.delete(connection)
    this.#waiting?.delete(connection)
  }

  /** A request of a connection begins. @param amount what it counts: less than 1 for a part of a request */
  count(connection: PacedConnection, amount = 1): void {
    this.#schedule()
    if (this.#waiting) this.#charge(this.#waiting, connection, amount)
    this.#left -= amount
    if (this.#left <= 0) this.#pauseAll()
  }

  #charge(waiting: WaitingConnections, connection: PacedConnection, amount: number): void {
    waiting.wasRead(connection, amount)
    if (this.#reading.delete(connection)) this.#pause(waiting, connection)
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#renew())
  }

  #pauseAll(): void {
    this.#waiting ??= new WaitingConnections(this.#options.perTurnOfWaiting)
    for (const connection of this.#reading) this.#pause(this.#waiting, connection)
    this.#reading.clear()
  }

  #pause(waiting: WaitingConnections, connection: PacedConnection): void {
    connection.pauseReading()
    waiting.add(connection)
  }

  #renew(): void {
    if (this.#waiting) this.#options.countRest()
    this.#isScheduled = false
    this.#turn++
    const wasFull = this.#left <= 0
    this.#left = this.#options.perTurn
    const waiting = this.#waiting
    if (waiting === undefined) return
    waiting.endTurn(wasFull)
    if (!wasFull && waiting.size === 0) {
      this.#waiting = undefined
      return
    }
    if (wasFull) this.#turnsToRest = this.#options.turnsToRest
    else if (this.#turnsToRest > 0) this.#turnsToRest--
    if (this.#turnsToRest === 0 && !this.#options.isBehind()) this.#resume(waiting)
    this.#continue()
  }

  #resume(waiting: WaitingConnections): void {
    for (const connection of waiting.take()) {
      this.#reading.add(connection)
      connection.resumeReading()
    }
  }

  #continue(): void {
    this.#left = this.#options.perTurnOfWaiting
    this.#schedule()
  }
}
