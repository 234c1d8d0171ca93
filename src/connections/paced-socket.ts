import type { Socket } from 'node:net'
import { clientOf } from '../lib/client-of.ts'
import type { PacedConnection } from './paced-connection.ts'
import { ReadEstimate } from './read-estimate.ts'
import { SocketInput } from './socket-input.ts'
import type { SocketTurns } from './socket-turns.ts'

/** A part of a body takes about 2 µs, a request about 15 µs, without what they are for. */
const PART_OF_REQUEST = 1 / 8

/** Bytes that can take as long to parse as a request: one of a chunk's extension takes up to 7 ns, of empty lines 2, of a body 1. */
const BYTES_OF_REQUEST = 2_048

const PACED = Symbol('the turns in which a socket is read')

interface ReadSocket extends Socket {
  [PACED]?: PacedSocket
}

/** Reads a socket in turns with others, until it closes. Its end counts as a request. */
export function readInTurns(socket: ReadSocket, turns: SocketTurns): void {
  const paced = new PacedSocket(socket, turns)
  socket[PACED] = paced
  turns.add(paced)
  // Closing a connection takes about as long as a request.
  socket.once('end', () => paced.countRequest(1))
  socket.once('close', () => turns.delete(paced))
}

/** A request of a socket begins. @param work of handling it, in requests with a short head */
export function countRequest(socket: ReadSocket, work = 1): void {
  socket[PACED]?.countRequest(work)
}

/** A part of a body is read. A body can have thousands in one packet. */
export function countPart(socket: ReadSocket): void {
  socket[PACED]?.countPart()
}

/** Bytes are parsed. Those of chunk extensions, and of empty lines between requests, belong to no part and no request. */
export function countBytes(socket: ReadSocket, bytes: number): void {
  socket[PACED]?.countBytes(bytes)
}

class PacedSocket implements PacedConnection {
  readonly client: string
  readonly estimate = new ReadEstimate()
  readonly #input: SocketInput
  readonly #turns: SocketTurns
  /** Whether a part of the present body was read. The first one costs no more than its request does anyway. */
  #hasPart = false

  constructor(socket: ReadSocket, turns: SocketTurns) {
    this.client = clientOf(socket.remoteAddress)
    this.#input = new SocketInput(socket)
    this.#turns = turns
  }

  countRequest(work: number): void {
    this.#hasPart = false
    this.#turns.count(this, work)
  }

  countPart(): void {
    if (this.#hasPart) this.#turns.count(this, PART_OF_REQUEST)
    this.#hasPart = true
  }

  countBytes(bytes: number): void {
    this.#turns.count(this, bytes / BYTES_OF_REQUEST)
  }

  pauseReading(): void {
    this.#input.pause()
  }

  resumeReading(): void {
    this.#input.resume()
  }
}
