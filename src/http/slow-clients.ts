import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'

/** A request's head must have arrived after so long, ms. */
export const HEADERS_TIMEOUT_MS = 10_000

/** How often connections are looked at, ms. */
export const CONNECTION_CHECK_INTERVAL_MS = 2_500

/** A body must not be slower than this, from when it was first found incomplete. It may be as large, and take as long, as it likes. */
const BODY_GRACE_MS = 10_000
const SLOWEST_BODY_BYTES_A_SECOND = 4_096

/** So many connections a process has at most; further ones are closed at once. */
const MAX_CONNECTIONS = 10_000

const REQUEST = Symbol('the last request of a connection')

interface Connection extends Socket {
  [REQUEST]?: IncomingMessage | undefined
}

interface Arriving {
  readonly sinceMs: number
  readonly bytesBefore: number
}

/**
 * Drops clients that send a body so slowly that they can only want to keep the connection. Node has a limit for whole requests,
 * which a large import over a slow line would break. All requests are looked at together from time to time, so one costs nothing.
 * @see https://httpd.apache.org/docs/2.4/mod/mod_reqtimeout.html, which does the same
 */
export class SlowClients {
  readonly #connections = new Set<Connection>()
  readonly #arriving = new WeakMap<IncomingMessage, Arriving>()

  constructor(server: Server) {
    server.maxConnections = MAX_CONNECTIONS
    server.on('connection', (socket: Connection) => {
      this.#connections.add(socket)
      socket.once('close', () => this.#connections.delete(socket))
    })
    const timer = setInterval(() => this.#dropSlow(), CONNECTION_CHECK_INTERVAL_MS).unref()
    server.once('close', () => clearInterval(timer))
  }

  /** The head of a request is there, its body perhaps not yet. */
  begun(request: IncomingMessage): void {
    const connection: Connection = request.socket
    connection[REQUEST] = request
  }

  #dropSlow(): void {
    const nowMs = performance.now()
    for (const connection of this.#connections) {
      const request = connection[REQUEST]
      if (request === undefined) continue
      if (request.complete) connection[REQUEST] = undefined
      else if (this.#isTooSlow(request, connection.bytesRead, nowMs)) connection.destroy()
    }
  }

  #isTooSlow(request: IncomingMessage, bytesRead: number, nowMs: number): boolean {
    const seen = this.#arriving.get(request)
    if (seen === undefined) {
      this.#arriving.set(request, { sinceMs: nowMs, bytesBefore: bytesRead })
      return false
    }
    const allowedMs = BODY_GRACE_MS + ((bytesRead - seen.bytesBefore) / SLOWEST_BODY_BYTES_A_SECOND) * 1000
    return nowMs - seen.sinceMs > allowedMs
  }
}
