import { createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { clientOf } from '../lib/client-of.ts'
import type { ConnectionSlots } from './connection-slots.ts'
import { HeldBytes } from './held-bytes.ts'

/** Bytes of all requests that have arrived in part. */
const MAX_HELD_BYTES = 64 * 1024 * 1024

/** How long a connection is idle before the kernel asks whether its client is still there, in ms. */
const KEEP_ALIVE_DELAY_MS = 60_000

/** Opens the protocol of a connection. @param hold called with the bytes that the connection holds of unfinished requests */
export type OpenSocket<Handler> = (socket: Socket, hold: (bytes: number) => void) => Handler

/** The connections of a protocol of its own, each with its handler. Bounds their number, and what all of them hold. */
export class OpenSockets<Handler> implements Iterable<[Socket, Handler]> {
  readonly #slots: ConnectionSlots
  readonly #openSocket: OpenSocket<Handler>
  readonly #open = new Map<Socket, Handler>()
  readonly #held = new HeldBytes(MAX_HELD_BYTES)

  constructor(slots: ConnectionSlots, openSocket: OpenSocket<Handler>) {
    this.#slots = slots
    this.#openSocket = openSocket
  }

  [Symbol.iterator](): Iterator<[Socket, Handler]> {
    return this.#open.entries()
  }

  sockets(): Iterable<Socket> {
    return this.#open.keys()
  }

  handlers(): Iterable<Handler> {
    return this.#open.values()
  }

  handlerOf(socket: Socket): Handler | undefined {
    return this.#open.get(socket)
  }

  /** A listener for one address. @param opened called with each new connection that has a slot */
  createListener(opened: (socket: Socket, handler: Handler) => void, { allowHalfOpen = false } = {}): Server {
    const options = { allowHalfOpen, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS }
    return createServer(options, socket => {
      if (this.#slots.admit(socket)) opened(socket, this.#accept(socket))
    })
  }

  /** Resolves when all connections are closed, after a while in any case. */
  async whenClosed(limitMs: number): Promise<void> {
    if (this.#open.size === 0) return
    const closed = [...this.#open.keys()].map(socket => new Promise(resolve => socket.once('close', resolve)))
    const timeout = new AbortController()
    await Promise.race([Promise.all(closed), sleep(limitMs, undefined, timeout).catch(() => undefined)])
    timeout.abort()
  }

  destroy(): void {
    for (const socket of this.#open.keys()) socket.destroy()
  }

  #accept(socket: Socket): Handler {
    const client = clientOf(socket.remoteAddress)
    const refuse = () => void socket.destroy()
    const handler = this.#openSocket(socket, bytes => this.#held.hold(client, refuse, bytes))
    this.#open.set(socket, handler)
    socket.once('close', () => {
      this.#open.delete(socket)
      this.#held.release(client, refuse)
    })
    return handler
  }
}
