import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Connections } from './connections.ts'
import { isTooSlow, type Transfer, Transfers } from './transfers.ts'

/** A request's head must have arrived within this time, in ms. */
export const HEADERS_TIMEOUT_MS = 10_000

/** Interval between looks at all connections, in ms. */
const LOOK_INTERVAL_MS = 250

/** For responses that clients have not read, all together. */
const MAX_UNREAD_BYTES = 64 * 1024 * 1024

/** What Node knows of a socket and does not tell: bytes handed to the kernel are those dispatched without those queued. */
interface SocketInternals {
  readonly _bytesDispatched: number
  readonly _handle: { readonly writeQueueSize: number } | null
}

/**
 * Disconnects clients that send a body, or read a response, so slowly that they can only want to keep the connection; and the
 * slowest readers, if all together leave too much unread. Node has a limit for whole requests, which a large import over a slow
 * line would break. All connections are looked at together from time to time, so a request costs nothing.
 * @see https://httpd.apache.org/docs/2.4/mod/mod_reqtimeout.html, which does the same for bodies
 */
export class SlowClients {
  readonly #connections: Connections
  readonly #senders = new Transfers()
  readonly #readers = new Transfers()

  constructor(server: Server, connections: Connections) {
    this.#connections = connections
    const timer = setInterval(() => this.#look(), LOOK_INTERVAL_MS).unref()
    server.once('close', () => clearInterval(timer))
  }

  #look(): void {
    const nowMs = performance.now()
    const unread: UnreadResponses[] = []
    for (const connection of this.#connections) {
      const reading = this.#readingOf(connection, nowMs)
      if (this.#sendsTooSlowly(connection, nowMs) || (reading && isTooSlow(reading))) connection.destroy()
      else if (reading) unread.push({ connection, ...reading })
    }
    disconnectSlowest(unread)
  }

  /** How far a client has got with reading; nothing, if it has read everything. */
  #readingOf(connection: Socket, nowMs: number): (Transfer & { readonly unreadBytes: number }) | undefined {
    const unreadBytes = this.#connections.unreadBytes(connection)
    if (unreadBytes > 0) return { unreadBytes, ...this.#readers.progress(connection, sentBytes(connection), nowMs) }
    this.#readers.end(connection)
    return undefined
  }

  #sendsTooSlowly(connection: Socket, nowMs: number): boolean {
    const request = this.#connections.current(connection)?.req
    if (request === undefined || request.complete) return false
    // While the service itself does not read on, the client cannot send.
    if (request.readableLength >= request.readableHighWaterMark) this.#senders.end(request)
    return isTooSlow(this.#senders.progress(request, connection.bytesRead, nowMs))
  }
}

interface UnreadResponses extends Transfer {
  readonly connection: Socket
  readonly unreadBytes: number
}

function disconnectSlowest(unread: readonly UnreadResponses[]): void {
  let totalBytes = unread.reduce((sum, { unreadBytes }) => sum + unreadBytes, 0)
  if (totalBytes <= MAX_UNREAD_BYTES) return
  for (const { connection, unreadBytes } of unread.toSorted((a, b) => rateOf(a) - rateOf(b))) {
    connection.destroy()
    totalBytes -= unreadBytes
    if (totalBytes <= MAX_UNREAD_BYTES) return
  }
}

/** Those that were found just now come last, since nobody knows yet how fast they are. */
function rateOf({ bytes, elapsedMs }: Transfer): number {
  return elapsedMs === 0 ? Number.MAX_VALUE : bytes / elapsedMs
}

function sentBytes(socket: Socket): number {
  const { _bytesDispatched, _handle } = socket as unknown as SocketInternals
  return _bytesDispatched - (_handle?.writeQueueSize ?? 0)
}
