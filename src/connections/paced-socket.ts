import type { Socket } from 'node:net'
import { clientOf } from '../lib/client-of.ts'
import type { PacedConnection } from './paced-connection.ts'
import { ReadEstimate } from './read-estimate.ts'
import type { SocketTurns } from './socket-turns.ts'

/** A part of a body takes about 2 µs, a request about 15 µs, without what they are for. */
const PART_OF_REQUEST = 1 / 8

/** Bytes that can take as long to parse as a request: one of a chunk's extension takes up to 7 ns, of empty lines 2, of a body 1. */
const BYTES_OF_REQUEST = 2_048

const PACED = Symbol('the turns in which a socket is read')

/** A socket, with what Node's parsers read from: public functions of the socket do not pause it for them. */
interface PausableSocket extends Socket {
  readonly _handle?: { readonly reading: boolean; readStop(): void; readStart(): void } | null
  [PACED]?: PacedSocket
}

/** Reads a socket in turns with others, until it closes. Its end counts as a request. */
export function readInTurns(socket: PausableSocket, turns: SocketTurns): void {
  const paced = new PacedSocket(socket, turns)
  socket[PACED] = paced
  turns.add(paced)
  // Closing a connection takes about as long as a request.
  socket.once('end', () => paced.countRequest(1))
  socket.once('close', () => turns.delete(paced))
}

/** A request of a socket begins. @param work of handling it, in requests with a short head */
export function countRequest(socket: PausableSocket, work = 1): void {
  socket[PACED]?.countRequest(work)
}

/** A part of a body is read. A body can have thousands in one packet. */
export function countPart(socket: PausableSocket): void {
  socket[PACED]?.countPart()
}

/** Bytes are parsed. Those of chunk extensions, and of empty lines between requests, belong to no part and no request. */
export function countBytes(socket: PausableSocket, bytes: number): void {
  socket[PACED]?.countBytes(bytes)
}

/** Whether a socket is not read although its client may have sent something. */
export function waitsToBeRead(socket: PausableSocket): boolean {
  return socket[PACED]?.isWaiting === true
}

/** Pauses a socket independently of Node, which pauses and resumes it too, for instance while a body waits for its reader. */
class PacedSocket implements PacedConnection {
  readonly client: string
  readonly estimate = new ReadEstimate()
  readonly #socket: PausableSocket
  readonly #turns: SocketTurns
  #isWaiting = false
  /** Whether a part of the present body was read. The first one costs no more than its request does anyway. */
  #hasPart = false

  constructor(socket: PausableSocket, turns: SocketTurns) {
    this.client = clientOf(socket.remoteAddress)
    this.#socket = socket
    this.#turns = turns
    // Node's own listener has started to read.
    socket.on('resume', () => this.#isWaiting && this.pauseReading())
  }

  get isWaiting(): boolean {
    return this.#isWaiting
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
    this.#isWaiting = true
    this.#socket._handle?.readStop()
  }

  resumeReading(): void {
    this.#isWaiting = false
    const handle = this.#socket._handle
    if (handle?.reading) handle.readStart()
  }
}
