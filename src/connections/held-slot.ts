import type { Socket } from 'node:net'

/**
 * What happens on a connection: nothing (`idle`: every request that has arrived completely is answered), it only waits for its client to
 * send the rest of a request (`receiving`), or a request is being answered (`busy`).
 */
export type ConnectionState = 'idle' | 'receiving' | 'busy'

/** How much a connection is needed in each state; a little more if its client has sent something lately. */
export const Need = { idle: 0, active: 1, receiving: 2, busy: 4 } as const

/** The slot of a connection. */
export class HeldSlot {
  readonly connection: Socket
  readonly client: string
  readonly #state: () => ConnectionState
  #seenBytes = 0

  constructor(connection: Socket, client: string, state: () => ConnectionState) {
    this.connection = connection
    this.client = client
    this.#state = state
  }

  /** How much the connection is needed: the less, the sooner it gives way. */
  get need(): number {
    const state = this.#state()
    if (state === 'busy') return Need.busy
    const isIdle = state === 'idle' && this.connection.writableLength === 0
    return (isIdle ? Need.idle : Need.receiving) + (this.#wasActive ? Need.active : 0)
  }

  /** Whether the client has sent something since the last look. */
  get #wasActive(): boolean {
    return this.connection.bytesRead !== this.#seenBytes
  }

  look(): void {
    this.#seenBytes = this.connection.bytesRead
  }
}
