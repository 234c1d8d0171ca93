import type { Socket } from 'node:net'
import { clientOf } from '../lib/client-of.ts'
import type { CallTurns, PacedConnection } from './call-turns.ts'

/**
 * Calls that one connection may begin in a turn of the event loop. With 32 calls under way, it has reset the others. Envoy, which resets
 * a call after 20 ms, has so many when the process was busy for 200 ms.
 */
const MAX_CALLS_PER_TURN = 320

/** What node:http2 reads from, which public functions of the socket do not pause. */
interface SocketInternals {
  readonly _handle?: { readStop(): void; readStart(): void } | null
}

/** The calls of one connection, in the turns of all connections. */
export class PacedCalls implements PacedConnection {
  readonly client: string
  readonly #socket: Socket & SocketInternals
  readonly #turns: CallTurns
  readonly #endConnection: () => void
  #turn = 0
  #calls = 0

  /** @param endConnection ends one that opens and resets its calls in a flood, at once: what it has sent is then skipped */
  constructor(socket: Socket, turns: CallTurns, endConnection: () => void) {
    this.client = clientOf(socket.remoteAddress)
    this.#socket = socket
    this.#turns = turns
    this.#endConnection = endConnection
    turns.add(this)
    socket.once('close', () => turns.delete(this))
  }

  count(): void {
    const { turn } = this.#turns
    if (this.#turn !== turn) this.#calls = 0
    this.#turn = turn
    this.#turns.count()
    if (++this.#calls > MAX_CALLS_PER_TURN) this.#endConnection()
  }

  pauseReading(): void {
    this.#socket._handle?.readStop()
  }

  resumeReading(): void {
    this.#socket._handle?.readStart()
  }
}
