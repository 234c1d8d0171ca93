import { createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { clientOf } from '../lib/client-of.ts'
import type { ConnectionSlots } from './connection-slots.ts'
import type { ConnectionState } from './held-slot.ts'
import { Newcomers } from './newcomers.ts'
import { PacedClosing } from './paced-closing.ts'
import type { SharedBound } from './shared-bound.ts'

/** How long a client may take until it is admitted, in ms. */
const ADMISSION_LIMIT_MS = 10_000

/** How long a connection is idle before the kernel asks whether its client is still there, in ms. */
const KEEP_ALIVE_DELAY_MS = 60_000

/** The protocol of one connection. */
export interface OpenHandler {
  /** Whether every request that has arrived completely is answered. */
  readonly isIdle: boolean
  /** Whether it only waits for its client to send the rest of a request. */
  readonly isReceiving: boolean
  /** Whether the client has sent a request, and has logged in if the protocol demands it. */
  readonly isAdmitted: boolean
}

/** Opens the protocol of a connection. @param hold called with the bytes that the connection holds for its client */
export type OpenSocket<Handler> = (socket: Socket, hold: (bytes: number) => void) => Handler

interface OpenSocketsOptions<Handler> {
  readonly slots: ConnectionSlots
  /** That all clients share. */
  readonly memory: SharedBound
  readonly open: OpenSocket<Handler>
}

/** The connections of a protocol of its own, each with its handler. Bounds their number, and what all of them hold. */
export class OpenSockets<Handler extends OpenHandler> implements Iterable<[Socket, Handler]> {
  readonly #slots: ConnectionSlots
  readonly #openSocket: OpenSocket<Handler>
  readonly #open = new Map<Socket, Handler>()
  readonly #memory: SharedBound
  readonly #newcomers = new Newcomers(ADMISSION_LIMIT_MS)
  readonly #closing = new PacedClosing()

  constructor({ slots, memory, open }: OpenSocketsOptions<Handler>) {
    this.#slots = slots
    this.#memory = memory
    this.#openSocket = open
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
      if (this.#slots.admit(socket, () => this.#stateOf(socket))) opened(socket, this.#accept(socket))
    })
  }

  /** Closes connections whose clients were not admitted in time. */
  closeLate(nowMs: number): void {
    for (const socket of this.#newcomers.takeLate(nowMs)) {
      if (this.#open.get(socket)?.isAdmitted === false) this.#closing.close(socket)
    }
  }

  /** Resolves when all connections are closed, after a while in any case. */
  async whenClosed(limitMs: number): Promise<void> {
    if (this.#open.size === 0) return
    const closed = [...this.#open.keys()].map(socket => new Promise(resolve => socket.once('close', resolve)))
    const timeout = new AbortController()
    await Promise.race([Promise.all(closed), sleep(limitMs, undefined, timeout).catch(() => undefined)])
    timeout.abort()
  }

  /** Closes all connections, a few in each turn of the event loop. */
  destroy(): void {
    for (const socket of this.#open.keys()) this.#closing.close(socket)
  }

  #stateOf(socket: Socket): ConnectionState {
    const handler = this.#open.get(socket)
    if (handler?.isIdle) return 'idle'
    return handler?.isReceiving ? 'receiving' : 'busy'
  }

  #accept(socket: Socket): Handler {
    const client = clientOf(socket.remoteAddress)
    const refuse = () => void socket.destroy()
    const handler = this.#openSocket(socket, bytes => this.#memory.hold(client, refuse, bytes))
    this.#open.set(socket, handler)
    this.#newcomers.add(socket, performance.now())
    socket.once('close', () => {
      this.#open.delete(socket)
      this.#newcomers.delete(socket)
      this.#memory.release(client, refuse)
    })
    return handler
  }
}
