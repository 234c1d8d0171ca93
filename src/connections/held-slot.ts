import type { Socket } from 'node:net'

/** The slot of a connection. */
export class HeldSlot {
  readonly connection: Socket
  readonly client: string
  readonly #hasNoRequest: () => boolean
  #seenBytes = 0

  /** @param hasNoRequest whether every request that has arrived completely is answered */
  constructor(connection: Socket, client: string, hasNoRequest: () => boolean) {
    this.connection = connection
    this.client = client
    this.#hasNoRequest = hasNoRequest
  }

  /** Whether every request that has arrived completely is answered, and the answers are sent. */
  get isIdle(): boolean {
    return this.connection.writableLength === 0 && this.#hasNoRequest()
  }

  /** Whether the client has sent something since the last look. */
  get wasActive(): boolean {
    return this.connection.bytesRead !== this.#seenBytes
  }

  look(): void {
    this.#seenBytes = this.connection.bytesRead
  }
}
