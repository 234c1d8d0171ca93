import { type Server, Socket } from 'node:net'
import type { Turns } from '../lib/turns.ts'
import { PacedReading } from './paced-reading.ts'
import { SocketInput } from './socket-input.ts'
import type { UnreadBodies } from './unread-bodies.ts'

/** Time for a client to read the last answer and to close the connection, in ms. */
const LINGER_MS = 5_000

interface LingeringCloseOptions {
  readonly unreadBodies: UnreadBodies
  /** The turns of bodies that nobody reads. */
  readonly turns: Turns
  /** Default: 5 s. */
  readonly timeoutMs?: number
}

/**
 * Closes connections whose client may still be sending, such as the body of a refused request, or a further request. The service ends its
 * own side after the last answer, and discards what still arrives until the client closes the connection. If the service closed it at
 * once, the kernel would reset it when more bytes arrive, and the client could lose what it has not read of the answer.
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-9.6
 */
export class LingeringClose {
  readonly #options: LingeringCloseOptions
  readonly #discarding = new WeakSet<Socket>()
  readonly #closing = new WeakSet<Socket>()

  constructor(server: Server, options: LingeringCloseOptions) {
    this.#options = options
    server.prependListener('connection', (socket: Socket) => {
      // Node's HTTP server calls this method after the last response of a connection.
      socket.destroySoon = () => this.close(socket)
    })
  }

  /** Closes a connection after what was written to it. */
  close(socket: Socket): void {
    if (socket.readableEnded) destroySoon(socket)
    else if (!socket.destroyed && !this.#closing.has(socket)) this.#linger(socket)
  }

  #linger(socket: Socket): void {
    this.#closing.add(socket)
    this.discardInput(socket)
    socket.once('end', () => destroySoon(socket))
    socket.end(() => {
      const timer = setTimeout(() => socket.destroy(), this.#options.timeoutMs ?? LINGER_MS).unref()
      socket.once('close', () => clearTimeout(timer))
    })
  }

  /** Discards all further input of a connection, in turns with other connections. */
  discardInput(socket: Socket): void {
    if (this.#discarding.has(socket)) return
    this.#discarding.add(socket)
    const { unreadBodies, turns } = this.#options
    unreadBodies.leave(socket)
    const reading = new PacedReading(new SocketInput(socket), { socket, ip: socket.remoteAddress })
    // Without its listener, the parser sees none of the input.
    socket.removeAllListeners('data')
    socket.on('data', ({ length }: Buffer) => reading.take(length, turns))
    socket.resume()
  }
}

/** Node's own method, which destroys a connection once everything is written. */
function destroySoon(socket: Socket): void {
  Socket.prototype.destroySoon.call(socket)
}
