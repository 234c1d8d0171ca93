import type { Socket } from 'node:net'
import { clientOf } from '../lib/client-of.ts'
import type { PacedConnection, SocketTurns } from './socket-turns.ts'

const WAITS = Symbol('whether a socket waits for its turn to be read')

/** A socket, with what Node's parsers read from: public functions of the socket do not pause it for them. */
interface PausableSocket extends Socket {
  readonly _handle?: { readonly reading: boolean; readStop(): void; readStart(): void } | null
  [WAITS]?: boolean
}

/** Reads a socket in turns with others, until it closes. */
export function readInTurns(socket: Socket, turns: SocketTurns): void {
  const paced = new PacedSocket(socket)
  turns.add(paced)
  socket.once('close', () => turns.delete(paced))
}

/** Whether a socket is not read although its client may have sent something. */
export function waitsToBeRead(socket: PausableSocket): boolean {
  return socket[WAITS] === true
}

/** Pauses a socket independently of Node, which pauses and resumes it too, for instance while a body waits for its reader. */
class PacedSocket implements PacedConnection {
  readonly client: string
  readonly #socket: PausableSocket

  constructor(socket: PausableSocket) {
    this.client = clientOf(socket.remoteAddress)
    this.#socket = socket
    // Node's own listener has started to read.
    socket.on('resume', () => waitsToBeRead(socket) && this.pauseReading())
  }

  pauseReading(): void {
    this.#socket[WAITS] = true
    this.#socket._handle?.readStop()
  }

  resumeReading(): void {
    this.#socket[WAITS] = false
    const handle = this.#socket._handle
    if (handle?.reading) handle.readStart()
  }
}
