import type { Socket } from 'node:net'
import { countRequest, readInTurns } from '../connections/paced-socket.ts'
import type { SocketTurns } from '../connections/socket-turns.ts'

/**
 * Calls that one connection may begin in a turn of the event loop. With 32 calls under way, it has reset the others. Envoy, which resets
 * a call after 20 ms, has so many when the process was busy for 200 ms.
 */
const MAX_CALLS_PER_TURN = 320

/** Bytes of a head on the wire that cost as much time as a call, even if node:http2 refuses the head. */
const HEAD_BYTES_PER_CALL = 1_024

/** Bytes of a message that cost as much time to receive as a call. */
const MESSAGE_BYTES_PER_CALL = 8_192

/** The calls of one connection, in the turns of all connections. */
export class PacedCalls {
  readonly #socket: Socket
  readonly #turns: SocketTurns
  readonly #endConnection: () => void
  #turn = 0
  #calls = 0
  /** Bytes on the wire that are counted. */
  #countedBytes = 0

  /** @param endConnection ends one that opens and resets its calls in a flood, at once: what it has sent is then skipped */
  constructor(socket: Socket, turns: SocketTurns, endConnection: () => void) {
    this.#socket = socket
    this.#turns = turns
    this.#endConnection = endConnection
    readInTurns(socket, turns)
  }

  count(): void {
    const { turn } = this.#turns
    if (this.#turn !== turn) this.#calls = 0
    this.#turn = turn
    countRequest(this.#socket)
    this.#countedBytes += HEAD_BYTES_PER_CALL
    if (++this.#calls > MAX_CALLS_PER_TURN) this.#endConnection()
  }

  /** A part of a message has arrived. */
  countPart(bytes: number): void {
    this.#countedBytes += bytes
    countRequest(this.#socket, bytes / MESSAGE_BYTES_PER_CALL)
  }

  /**
   * Counts what else was read. node:http2 decodes each head to its end, however many fields it has, and does not report those that it
   * refuses, so they show only in the bytes that the socket has read.
   */
  countRest(): void {
    const { bytesRead } = this.#socket
    const work = (bytesRead - this.#countedBytes) / HEAD_BYTES_PER_CALL
    this.#countedBytes = bytesRead
    if (work > 0) countRequest(this.#socket, work)
  }
}
