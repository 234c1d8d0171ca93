import type { Socket } from 'node:net'
import type { Connections } from './connections.ts'
import { InspectedMemory } from './held-memory.ts'
import { PacedClosing } from './paced-closing.ts'
import { hasUnparsedRequest } from './parser-input.ts'
import type { SharedBound } from './shared-bound.ts'
import { waitsToBeRead } from './socket-input.ts'
import { Transfers } from './transfers.ts'
import { SlowReaders, type Transferring } from './unread-bytes.ts'

/** Interval at which all connections are inspected, in ms. */
const LOOK_INTERVAL_MS = 250

/** How long a client may send too slowly, in ms. */
const SENDING_LIMIT_MS = 10_000

/**
 * How long a client may read too slowly, in ms. What it reads is seen only when the kernel takes more bytes. By default, the send buffer of
 * Linux has up to 4 MiB, and more bytes fit once a third of it is free, which a client that reads 50 KB a second frees in 31 s.
 */
const READING_LIMIT_MS = 32_000

/** How long a client may read too slowly once the server closes, in ms: its response would delay the stop. */
const CLOSING_LIMIT_MS = 2_000

/** How long the first request of a new connection may take to arrive once the server closes, in ms. */
const FIRST_REQUEST_MS = 250

/**
 * Disconnects clients that send a body or read a response too slowly, and holds what the others have not read in the memory that all
 * clients share. Node limits the time of whole requests, which would break a large import over a slow line. All connections are
 * inspected together at an interval, so a request costs nothing.
 * @see https://httpd.apache.org/docs/2.4/mod/mod_reqtimeout.html, which does the same for bodies
 */
export class SlowClients {
  readonly #connections: Connections
  readonly #senders = new Transfers(SENDING_LIMIT_MS)
  readonly #closing = new PacedClosing()
  readonly #unread: InspectedMemory
  readonly #timer: NodeJS.Timeout
  #readers = new SlowReaders(READING_LIMIT_MS)
  /** When no more bodies are received, once the server closes. */
  #bodiesEndMs = Number.POSITIVE_INFINITY
  /** When connections without any request are closed as well, once the server closes. */
  #newEndMs = Number.POSITIVE_INFINITY
  #isClosing = false
  readonly #transferring: Transferring = {
    unreadBytes: connection => this.#connections.unreadBytes(connection),
    sendsTooSlowly: (connection, nowMs) => this.#sendsTooSlowly(connection, nowMs),
  }

  /** @param memory that all clients share */
  constructor(connections: Connections, memory: SharedBound) {
    this.#connections = connections
    this.#unread = new InspectedMemory(memory, connection => this.#closing.close(connection))
    this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL_MS).unref()
  }

  /**
   * Lets no client delay the stop: disconnects clients without a request, soon those that never sent one and those that do not read, and
   * after `bodiesMs` those whose body is still arriving. Resolves when every connection is closed. Node's own `close` waits for those that
   * never had a request, and cuts some on which further responses wait.
   */
  async close(bodiesMs: number): Promise<void> {
    this.#isClosing = true
    this.#readers = new SlowReaders(CLOSING_LIMIT_MS)
    this.#bodiesEndMs = performance.now() + bodiesMs
    this.#newEndMs = performance.now() + FIRST_REQUEST_MS
    this.#look()
    await this.#connections.allClosed()
    clearInterval(this.#timer)
  }

  #look(): void {
    this.#unread.update(this.#readers.disconnectFrom(this.#connections, this.#transferring))
    if (this.#isClosing) this.#closeIdle()
  }

  /** A few in each turn of the event loop, in which what the kernel has received is read before. */
  #closeIdle(): void {
    const closeIfIdle = (connection: Socket): void => {
      if (this.#isIdle(connection)) connection.destroy()
    }
    for (const connection of this.#connections) {
      if (this.#isIdle(connection)) this.#closing.close(connection, closeIfIdle)
    }
  }

  #sendsTooSlowly(connection: Socket, nowMs: number): boolean {
    const request = this.#connections.current(connection)?.req
    if (request === undefined || request.complete) return false
    if (nowMs >= this.#bodiesEndMs) return true
    // While the service does not read, the client cannot send.
    if (waitsToBeRead(connection) || request.readableLength >= request.readableHighWaterMark) this.#senders.end(request)
    return this.#senders.leftMs(request, connection.bytesRead, nowMs) <= 0
  }

  /** Whether everything is answered that has arrived on a connection, and its first request need not be waited for. */
  #isIdle(connection: Socket): boolean {
    if (this.#connections.current(connection) !== undefined) return false
    if (hasUnparsedRequest(connection) || waitsToBeRead(connection)) return false
    return connection.bytesRead > 0 || performance.now() >= this.#newEndMs
  }
}
