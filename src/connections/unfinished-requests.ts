import { maxHeaderSize, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { InspectedMemory } from './held-memory.ts'
import { PacedClosing } from './paced-closing.ts'
import { connectionsWithoutHead, lateConnections } from './parsers.ts'
import type { SharedBound } from './shared-bound.ts'

/** Interval at which all connections are inspected, in ms. */
const LOOK_INTERVAL_MS = 250

/** Time for the head of a request, in ms. */
const TIMEOUT_MS = 10_000

/** Memory of a head besides what the client has sent: the objects of a request, and those of its fields. */
const BYTES_PER_HEAD = 4_096

interface UnfinishedRequestsOptions {
  /** Answers a client whose head is late, and closes the connection. */
  readonly refuseLate: (connection: Socket) => void
  /** That all clients share. */
  readonly memory: SharedBound
  readonly timeoutMs?: number
}

/**
 * Closes connections whose request has no complete head in time, and holds the others in the memory that all clients share. Replaces
 * Node's own check, which closes all late connections in one turn of the event loop.
 */
export class UnfinishedRequests {
  readonly #server: Server
  readonly #timeoutMs: number
  readonly #refuseLate: (connection: Socket) => void
  readonly #closing = new PacedClosing()
  readonly #heads: InspectedMemory

  constructor(server: Server, { refuseLate, memory, timeoutMs = TIMEOUT_MS }: UnfinishedRequestsOptions) {
    this.#server = server
    this.#timeoutMs = timeoutMs
    this.#refuseLate = refuseLate
    this.#heads = new InspectedMemory(memory, connection => this.#closing.close(connection))
    server.headersTimeout = 0
    const timer = setInterval(() => this.#look(), LOOK_INTERVAL_MS).unref()
    server.once('close', () => clearInterval(timer))
  }

  #look(): void {
    for (const connection of lateConnections(this.#server, this.#timeoutMs))
      this.#closing.close(connection, connection.bytesRead === 0 ? undefined : this.#refuseLate)
    const begun = connectionsWithoutHead(this.#server).filter(({ bytesRead }) => bytesRead > 0)
    this.#heads.update(begun.map(connection => ({ connection, bytes: heldBytesOf(connection), isProgressing: false })))
  }
}

/** Memory of an unfinished head, at most: earlier requests of the connection count as well. */
function heldBytesOf({ bytesRead }: Socket): number {
  return BYTES_PER_HEAD + Math.min(bytesRead, maxHeaderSize)
}
