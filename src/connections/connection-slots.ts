import type { Socket } from 'node:net'

interface ConnectionSlotsOptions {
  readonly max: number
  /** A connection was refused because there were too many. */
  readonly onRefused: () => void
}

/**
 * Bounds the connections of a process, over all protocols. Replaces `server.maxConnections`: under node:cluster, a full process would
 * return a connection to the primary, which offers it to the next process, endlessly.
 */
export class ConnectionSlots {
  readonly #options: ConnectionSlotsOptions
  readonly #holders = new Set<Socket>()

  constructor(options: ConnectionSlotsOptions) {
    this.#options = options
  }

  get areTaken(): boolean {
    return this.#holders.size >= this.#options.max
  }

  /** Takes a slot until the connection closes. Closes it at once, and returns `false`, if there is none. */
  admit(connection: Socket): boolean {
    if (this.areTaken) {
      connection.destroy()
      this.#options.onRefused()
      return false
    }
    this.#holders.add(connection)
    connection.once('close', () => this.release(connection))
    return true
  }

  /** Frees the slot of a connection that is about to close. */
  release(connection: Socket): void {
    this.#holders.delete(connection)
  }
}
