import type { Socket } from 'node:net'

const PAUSES = Symbol('how many users pause the input of a socket')

/** A socket, with its undocumented handle. `reading` says whether Node wants to read. */
interface PausableSocket extends Socket {
  readonly _handle?: { readonly reading: boolean; readStop(): void; readStart(): void } | null
  [PAUSES]?: number
}

/** Whether a socket is not read although its client may have sent something. */
export function waitsToBeRead({ [PAUSES]: pauses = 0 }: PausableSocket): boolean {
  return pauses > 0
}

/**
 * Pauses and resumes the input of a socket for one of its users: the socket is read while none of them pauses it. What is not read stays
 * in the kernel. `pause` of the socket itself would still read and buffer up to 64 KB, and does nothing for Node's parsers.
 */
export class SocketInput {
  readonly #socket: PausableSocket
  #isPaused = false

  constructor(socket: PausableSocket) {
    this.#socket = socket
    if (socket[PAUSES] !== undefined) return
    socket[PAUSES] = 0
    // Node's own listener has started to read.
    socket.on('resume', () => waitsToBeRead(socket) && socket._handle?.readStop())
  }

  pause(): void {
    if (this.#isPaused) return
    this.#isPaused = true
    this.#count(1)
    this.#socket._handle?.readStop()
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#count(-1)
    const { _handle: handle } = this.#socket
    if (handle?.reading && !waitsToBeRead(this.#socket)) handle.readStart()
  }

  #count(added: 1 | -1): void {
    this.#socket[PAUSES] = (this.#socket[PAUSES] ?? 0) + added
  }
}
