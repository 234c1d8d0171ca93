import type { Socket } from 'node:net'
import { clientOf } from '../lib/client-of.ts'
import { disconnect } from './disconnect.ts'
import { type ConnectionState, HeldSlot, Need } from './held-slot.ts'
import { SlotsByClient } from './slots-by-client.ts'

/** Connections that are looked at for one that gives way. Each takes less than a microsecond. */
const MAX_LOOKS = 64

/** Slots that a client may hold without losing one on which a request is arriving. */
const FEW_SLOTS = 8

interface ConnectionSlotsOptions {
  readonly max: number
  /** The slots of all connections: one that takes a slot here takes one there too. */
  readonly within?: ConnectionSlots
  /** Whether a busy connection can give way, and one of the new one's own client: requests are cheap to repeat. Default: no. */
  readonly alwaysMakesRoom?: boolean
  /** A connection was closed because there were too many: a new one, or another one in its place. */
  readonly onClosed: () => void
}

/**
 * Bounds the connections of a process, over all protocols. If there are too many, an idle one gives way to the new one, as in nginx, but
 * only one of the client that holds the most, and only if that is more than the new one's client holds. If none is idle, one gives way
 * that waits for the rest of a request, unless its client holds few. So one client cannot keep others out. With `alwaysMakesRoom`, the
 * least needed connection of the client that holds the most gives way in any case. Replaces `server.maxConnections`: under node:cluster, a
 * full process would return a connection to the primary, which offers it to the next process, endlessly.
 */
export class ConnectionSlots {
  readonly #options: ConnectionSlotsOptions
  readonly #held = new Map<Socket, HeldSlot>()
  readonly #byClient = new SlotsByClient()

  constructor(options: ConnectionSlotsOptions) {
    this.#options = options
  }

  /** Slots for connections that take more memory than others. @param share of all slots, from 0 to 1 */
  part(share: number): ConnectionSlots {
    const { max, onClosed } = this.#options
    return new ConnectionSlots({ max: Math.ceil(max * share), within: this, onClosed })
  }

  get areTaken(): boolean {
    return this.#held.size >= this.#options.max
  }

  /**
   * Takes a slot until the connection closes. Closes it at once, and returns `false`, if there is none.
   * @param state returns what happens on the connection
   */
  admit(connection: Socket, state: () => ConnectionState): boolean {
    const client = clientOf(connection.remoteAddress)
    if (this.areTaken) {
      this.#options.onClosed()
      if (!this.#makeRoomFor(client)) {
        connection.destroy()
        return false
      }
    }
    if (this.#options.within?.admit(connection, state) === false) return false
    const slot = new HeldSlot(connection, client, state)
    this.#held.set(connection, slot)
    this.#byClient.add(slot)
    connection.once('close', () => this.release(connection))
    return true
  }

  /** Frees the slot of a connection that is about to close. */
  release(connection: Socket): void {
    const slot = this.#held.get(connection)
    if (slot === undefined) return
    this.#held.delete(connection)
    this.#byClient.delete(slot)
  }

  #makeRoomFor(client: string): boolean {
    const isLargest = this.#byClient.slotsOf(client) === this.#byClient.mostSlots
    if (isLargest && !this.#options.alwaysMakesRoom) return false
    const slot = this.#leastNeeded()
    if (slot === undefined) return false
    this.release(slot.connection)
    disconnect(slot.connection)
    return true
  }

  /**
   * The connection that has been idle for the longest, nearly: the first one from which nothing has come since the last look, by the
   * "second chance" algorithm; else one that waits for the rest of a request. So a request costs nothing, and a look little, however
   * many connections there are.
   * @see https://en.wikipedia.org/wiki/Page_replacement_algorithm#Second-chance
   */
  #leastNeeded(): HeldSlot | undefined {
    const looked: HeldSlot[] = []
    let found: HeldSlot | undefined
    let least = this.#protectedNeed()
    for (const slot of this.#byClient.ofLargest()) {
      const { need } = slot
      if (need < least) [found, least] = [slot, need]
      if (need === Need.idle) break
      looked.push(slot)
      if (looked.length === MAX_LOOKS) break
    }
    this.#lookLastAt(looked)
    return found
  }

  /** A connection that is needed so much does not give way. */
  #protectedNeed(): number {
    if (this.#options.alwaysMakesRoom) return Number.POSITIVE_INFINITY
    return this.#byClient.mostSlots > FEW_SLOTS ? Need.busy : Need.receiving
  }

  /** Looks at these connections last the next time. */
  #lookLastAt(slots: readonly HeldSlot[]): void {
    for (const slot of slots) {
      slot.look()
      this.#byClient.moveToEnd(slot)
    }
  }
}
