import { maxHeaderSize, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { clientOf } from '../lib/client-of.ts'
import { PacedClosing } from './paced-closing.ts'
import { connectionsWithoutHead, lateConnections } from './parsers.ts'
import { SharedBound } from './shared-bound.ts'

/** Interval at which all connections are inspected, in ms. */
const LOOK_INTERVAL_MS = 250

interface HeadLimits {
  /** Time for the head of a request, in ms. */
  readonly timeoutMs: number
  /** Memory of all unfinished heads. */
  readonly maxBytes: number
}

const LIMITS: HeadLimits = { timeoutMs: 10_000, maxBytes: 32 * 1024 * 1024 }

/** Memory of a head besides what the client has sent: the objects of a request, and those of its fields. */
const BYTES_PER_HEAD = 4_096

/**
 * Closes connections whose request has no complete head in time. When all unfinished heads hold too much memory together, closes the
 * oldest connections of the client whose heads hold the most. Replaces Node's own check, which closes all late connections in one turn
 * of the event loop.
 */
export class UnfinishedRequests {
  readonly #server: Server
  readonly #limits: HeadLimits
  readonly #refuseLate: (connection: Socket) => void
  readonly #closing = new PacedClosing()

  /** @param refuseLate answers a client whose head is late, and closes the connection */
  constructor(server: Server, refuseLate: (connection: Socket) => void, limits = LIMITS) {
    this.#server = server
    this.#limits = limits
    this.#refuseLate = refuseLate
    server.headersTimeout = 0
    const timer = setInterval(() => this.#look(), LOOK_INTERVAL_MS).unref()
    server.once('close', () => clearInterval(timer))
  }

  #look(): void {
    const { timeoutMs, maxBytes } = this.#limits
    for (const connection of lateConnections(this.#server, timeoutMs))
      this.#closing.close(connection, connection.bytesRead === 0 ? undefined : this.#refuseLate)
    const holding = connectionsWithoutHead(this.#server).filter(({ bytesRead }) => bytesRead > 0)
    // Usually there is room, and clients need not be told apart.
    if (holding.reduce((sum, connection) => sum + heldBytesOf(connection), 0) <= maxBytes) return
    new SharedBound(maxBytes).holdAll(holding.map(connection => this.#heldBy(connection)))
  }

  #heldBy(connection: Socket) {
    const close = () => this.#closing.close(connection)
    return [clientOf(connection.remoteAddress), close, heldBytesOf(connection)] as const
  }
}

/** Memory of an unfinished head, at most: earlier requests of the connection count as well. */
function heldBytesOf({ bytesRead }: Socket): number {
  return BYTES_PER_HEAD + Math.min(bytesRead, maxHeaderSize)
}
