import { createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConnectionSlots } from '../connections/connection-slots.ts'
import { HeldBytes } from '../connections/held-bytes.ts'
import { disconnectSlowest, type Unread } from '../connections/unread-bytes.ts'
import { clientOf } from '../lib/client-of.ts'
import type { GrpcObserver, Methods } from './call.ts'
import { GOAWAY_MS, GrpcConnection } from './grpc-connection.ts'
import type { Status } from './status.ts'

/** How long calls that are under way may take once the server closes, in ms. */
const CLOSING_MS = 1_000

/** Interval at which all calls are inspected, in ms. */
const LOOK_INTERVAL_MS = 250

/** Bytes of all requests that have arrived in part. */
const MAX_HELD_BYTES = 64 * 1024 * 1024

/** How long a connection is idle before the kernel asks whether its client is still there, in ms. */
const KEEP_ALIVE_DELAY_MS = 60_000

export interface GrpcServerOptions {
  readonly methods: Methods
  readonly slots: ConnectionSlots
  readonly observer: GrpcObserver
  /** A bug, of which the client learns nothing else. Returns the status that it gets. */
  failed(err: unknown): Status
}

/** Serves calls over HTTP/2 without TLS. Each has one message in its request. */
export class GrpcServer {
  readonly #options: GrpcServerOptions
  readonly #open = new Map<Socket, GrpcConnection>()
  readonly #held = new HeldBytes(MAX_HELD_BYTES)
  readonly #timer: NodeJS.Timeout
  #isClosing = false

  constructor(options: GrpcServerOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL_MS).unref()
  }

  /** A listener for one address. */
  createListener(): Server {
    const options = { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS }
    return createServer(options, socket => this.#accept(socket))
  }

  /** Tells clients to use other connections, and closes theirs soon after. Call it once no listener accepts connections. */
  goAway(): void {
    this.#isClosing = true
    for (const connection of this.#open.values()) connection.retire()
  }

  /** Ends every connection. Resolves when all are closed, after a while in any case. */
  async close(): Promise<void> {
    this.goAway()
    const closed = [...this.#open.keys()].map(socket => new Promise(resolve => socket.once('close', resolve)))
    const timeout = new AbortController()
    const limit = sleep(GOAWAY_MS + CLOSING_MS, undefined, timeout).catch(() => undefined)
    await Promise.race([Promise.all(closed), limit])
    timeout.abort()
    for (const socket of this.#open.keys()) socket.destroy()
    clearInterval(this.#timer)
  }

  #accept(socket: Socket): void {
    if (!this.#options.slots.admit(socket)) return
    const client = clientOf(socket.remoteAddress)
    const refuse = () => void socket.destroy()
    const hold = (bytes: number) => this.#held.hold(client, refuse, bytes)
    const connection = new GrpcConnection(socket, { ...this.#options, hold })
    this.#open.set(socket, connection)
    socket.once('close', () => {
      this.#open.delete(socket)
      this.#held.release(client, refuse)
    })
    if (this.#isClosing) connection.retire()
  }

  /** Disconnects clients that send requests or read responses too slowly, and retires old connections. */
  #look(): void {
    const nowMs = performance.now()
    const unread: Unread[] = []
    for (const [socket, connection] of this.#open) {
      const { leftMs, unreadBytes } = connection.look(nowMs)
      if (leftMs <= 0) socket.destroy()
      else if (unreadBytes > 0) unread.push({ connection: socket, unreadBytes, leftMs })
    }
    disconnectSlowest(unread)
  }
}
