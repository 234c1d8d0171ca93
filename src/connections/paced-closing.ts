import type { Socket } from 'node:net'

/** Closing a connection takes about 50 µs, or twice that with a response, so this is as long as a batch of checks. */
const CLOSED_PER_TURN = 10

/** Closes connections, a few in each turn of the event loop. */
export class PacedClosing {
  /** Connections to close in the next turns, with how to close each. */
  readonly #toClose = new Map<Socket, (connection: Socket) => void>()

  /** @param how by default, without a response */
  close(connection: Socket, how: (connection: Socket) => void = destroy): void {
    if (this.#toClose.size === 0) setImmediate(() => this.#closeSome())
    this.#toClose.set(connection, how)
  }

  #closeSome(): void {
    let left = CLOSED_PER_TURN
    for (const [connection, close] of this.#toClose) {
      if (left-- === 0) break
      this.#toClose.delete(connection)
      close(connection)
    }
    if (this.#toClose.size > 0) setImmediate(() => this.#closeSome())
  }
}

function destroy(connection: Socket): void {
  connection.destroy()
}
