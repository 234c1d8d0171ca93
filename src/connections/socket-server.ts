import { createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { clientOf } from '../lib/client-of.ts'
import type { ConnectionSlots } from './connection-slots.ts'
import { HeldBytes } from './held-bytes.ts'
import { Transfers } from './transfers.ts'
import { disconnectSlowest, sentBytes, type Unread } from './unread-bytes.ts'

/** Interval at which all connections are inspected, in ms. */
const LOOK_INTERVAL_MS = 250

/** Bytes of all requests that have arrived in part. */
const MAX_HELD_BYTES = 64 * 1024 * 1024

/** How long a client may send a request, or read replies, too slowly, in ms. */
const TRANSFER_LIMIT_MS = 10_000

/** How long a client may send requests once the server closes, in ms; and then, how long it may take to read its replies. */
const CLOSING_MS = 500
const READING_MS = 1_000

/** How long a connection is idle before the kernel asks whether its client is still there, in ms. */
const KEEP_ALIVE_DELAY_MS = 60_000

/** The protocol of one connection. */
export interface SocketHandler {
  /** Whether a request has arrived in part. */
  readonly isReceiving: boolean
  receive(chunk: Buffer): void
  /** The client sends nothing more. */
  inputEnded(): void
  /** From now on, the connection ends after a reply, once everything that has arrived is answered. */
  drain(): void
  /** The connection ends now, once everything that has arrived is answered. */
  close(): void
  /** What arrives from now on is ignored. The connection ends after the replies that are under way. */
  cut(): void
}

/** Opens the protocol of a connection. @param hold called with the bytes that the connection holds of unfinished requests */
export type OpenSocket = (socket: Socket, hold: (bytes: number) => void) => SocketHandler

interface SocketServerOptions {
  readonly open: OpenSocket
  readonly slots: ConnectionSlots
  /** Aborts when the process begins to drain. */
  readonly drain: AbortSignal
}

/**
 * The connections of a protocol of its own. Disconnects clients that send a request or read replies too slowly, and bounds what
 * all of them hold.
 */
export class SocketServer {
  readonly #options: SocketServerOptions
  readonly #open = new Map<Socket, SocketHandler>()
  readonly #held = new HeldBytes(MAX_HELD_BYTES)
  readonly #senders = new Transfers(TRANSFER_LIMIT_MS)
  readonly #readers = new Transfers(TRANSFER_LIMIT_MS)
  readonly #timer: NodeJS.Timeout

  constructor(options: SocketServerOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL_MS).unref()
    options.drain.addEventListener('abort', () => {
      for (const handler of this.#open.values()) handler.drain()
    })
  }

  /** A listener for one address. A client may shut down its side after its requests. */
  createListener(): Server {
    const options = { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS }
    return createServer(options, socket => this.#accept(socket))
  }

  /** Ends every connection. Resolves when all are closed, after a while in any case. */
  async close(): Promise<void> {
    await this.#endAll(handler => handler.close(), CLOSING_MS)
    await this.#endAll(handler => handler.cut(), READING_MS)
    for (const socket of this.#open.keys()) socket.destroy()
    clearInterval(this.#timer)
  }

  async #endAll(end: (handler: SocketHandler) => void, limitMs: number): Promise<void> {
    if (this.#open.size === 0) return
    const closed = [...this.#open.keys()].map(socket => new Promise(resolve => socket.once('close', resolve)))
    for (const handler of this.#open.values()) end(handler)
    const timeout = new AbortController()
    await Promise.race([Promise.all(closed), sleep(limitMs, undefined, timeout).catch(() => undefined)])
    timeout.abort()
  }

  #accept(socket: Socket): void {
    if (!this.#options.slots.admit(socket)) return
    const client = clientOf(socket.remoteAddress)
    const refuse = () => void socket.destroy()
    const handler = this.#options.open(socket, bytes => this.#held.hold(client, refuse, bytes))
    this.#open.set(socket, handler)
    socket.on('data', chunk => handler.receive(chunk))
    socket.on('end', () => handler.inputEnded())
    // An error closes the socket.
    socket.on('error', () => undefined)
    socket.once('close', () => {
      this.#open.delete(socket)
      this.#held.release(client, refuse)
    })
    if (this.#options.drain.aborted) handler.drain()
  }

  #look(): void {
    const nowMs = performance.now()
    const unread: Unread[] = []
    for (const [connection, handler] of this.#open) {
      const reading = this.#readingOf(connection, nowMs)
      const isTooSlow =
        this.#sendsTooSlowly(connection, handler, nowMs) || (reading !== undefined && reading.leftMs <= 0)
      if (isTooSlow) connection.destroy()
      else if (reading !== undefined) unread.push(reading)
    }
    disconnectSlowest(unread)
  }

  /** `undefined` if the client has read everything. */
  #readingOf(connection: Socket, nowMs: number): Unread | undefined {
    const unreadBytes = connection.writableLength
    if (unreadBytes > 0)
      return { connection, unreadBytes, leftMs: this.#readers.leftMs(connection, sentBytes(connection), nowMs) }
    this.#readers.end(connection)
    return undefined
  }

  #sendsTooSlowly(connection: Socket, { isReceiving }: SocketHandler, nowMs: number): boolean {
    if (isReceiving) return this.#senders.leftMs(connection, connection.bytesRead, nowMs) <= 0
    this.#senders.end(connection)
    return false
  }
}
