import type { Server, Socket } from 'node:net'
import type { ConnectionSlots } from './connection-slots.ts'
import { type OpenHandler, type OpenSocket, OpenSockets } from './open-sockets.ts'
import type { SharedBound } from './shared-bound.ts'
import { Transfers } from './transfers.ts'
import { SlowReaders, type Transferring } from './unread-bytes.ts'

/** Interval at which all connections are inspected, in ms. */
const LOOK_INTERVAL_MS = 250

/** How long a client may send a request, or read replies, too slowly, in ms. */
const TRANSFER_LIMIT_MS = 10_000

/** How long a client may take for the rest of a request once the server closes, in ms. */
const CLOSING_MS = 500

/** How long a client may take to read its last replies, in ms. */
const READING_MS = 1_000

/** The protocol of one connection. */
export interface SocketHandler extends OpenHandler {
  receive(chunk: Buffer): void
  /** Counts again what the connection holds: its client may have read. */
  reportHeld(): void
  /** The client sends nothing more. */
  inputEnded(): void
  /** From now on, the connection ends after a reply, once everything that has arrived is answered. */
  drain(): void
  /** The connection ends now, once everything that has arrived is answered. */
  close(): void
  /** What arrives from now on is ignored. The connection ends after the replies that are under way. */
  cut(): void
}

interface SocketServerOptions {
  readonly open: OpenSocket<SocketHandler>
  readonly slots: ConnectionSlots
  /** That all clients share. */
  readonly memory: SharedBound
  /** Aborts when the process begins to drain. */
  readonly drain: AbortSignal
}

/**
 * The connections of a protocol of its own. Disconnects clients that do not use it, and those that send a request or read replies too
 * slowly. Bounds what all of them hold.
 */
export class SocketServer {
  readonly #drain: AbortSignal
  readonly #open: OpenSockets<SocketHandler>
  readonly #senders = new Transfers(TRANSFER_LIMIT_MS)
  readonly #readers = new SlowReaders(TRANSFER_LIMIT_MS)
  readonly #transferring: Transferring = {
    unreadBytes: ({ writableLength }) => writableLength,
    sendsTooSlowly: (connection, nowMs) => this.#sendsTooSlowly(connection, nowMs),
  }
  readonly #timer: NodeJS.Timeout

  constructor({ open, slots, memory, drain }: SocketServerOptions) {
    this.#drain = drain
    this.#open = new OpenSockets({ slots, memory, open })
    this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL_MS).unref()
    drain.addEventListener('abort', () => {
      for (const handler of this.#open.handlers()) handler.drain()
    })
  }

  /** A listener for one address. A client may shut down its side after its requests. */
  createListener(): Server {
    return this.#open.createListener((socket, handler) => this.#opened(socket, handler), { allowHalfOpen: true })
  }

  /**
   * Ends every connection. Resolves when all are closed, after a while in any case.
   * @param answeringMs how long one request may take to be answered, in ms
   * @param arrivedMs how long all that has arrived may take until it is read, in ms
   */
  async close(answeringMs: number, arrivedMs: number): Promise<void> {
    for (const handler of this.#open.handlers()) handler.close()
    await this.#open.whenClosed(CLOSING_MS)
    for (const handler of this.#open.handlers()) if (handler.isIdle) handler.cut()
    await this.#open.whenClosed(arrivedMs)
    for (const handler of this.#open.handlers()) handler.cut()
    await this.#open.whenClosed(answeringMs + READING_MS)
    this.#open.destroy()
    clearInterval(this.#timer)
  }

  #opened(socket: Socket, handler: SocketHandler): void {
    socket.on('data', chunk => handler.receive(chunk))
    socket.on('end', () => handler.inputEnded())
    // An error closes the socket.
    socket.on('error', () => undefined)
    if (this.#drain.aborted) handler.drain()
  }

  #look(): void {
    this.#open.closeLate(performance.now())
    this.#readers.disconnectFrom(this.#open.sockets(), this.#transferring)
    for (const handler of this.#open.handlers()) handler.reportHeld()
  }

  #sendsTooSlowly(connection: Socket, nowMs: number): boolean {
    if (this.#open.handlerOf(connection)?.isReceiving === true) {
      return this.#senders.leftMs(connection, connection.bytesRead, nowMs) <= 0
    }
    this.#senders.end(connection)
    return false
  }
}
