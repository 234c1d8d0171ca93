import type { Socket } from 'node:net'
import { clientOf } from '../lib/client-of.ts'
import { disconnect } from './disconnect.ts'
import { HeldSlot } from './held-slot.ts'
import { SlotsByClient } from './slots-by-client.ts'

/** Connections that are looked at for one that gives way. Each takes less than a microsecond. */
const MAX_LOOKS = 64

interface ConnectionSlotsOptions {
  readonly max: number
  /** A connection was closed because there were too many: a new one, or an idle one in its place. */
  readonly onClosed: () => void
}

/**
 * Bounds the connections of a process, over all protocols. If there are too many, an idle one gives way to the new one, as in nginx, but
 * only one of the client that holds the most, and only if that is more than the new one's client holds. So one client cannot keep
 * others out. Replaces `server.maxConnections`: under node:cluster, a full process would return a connection to the primary, which
 * offers it to the next process, endlessly.
 */
export class ConnectionSlots {
  readonly #options: ConnectionSlotsOptions
  readonly #held = new Map<Socket, HeldSlot>()
  readonly #byClient = new SlotsByClient()

  constructor(options: ConnectionSlotsOptions) {
    this.#options = options
  }

  get areTaken(): boolean {
    return this.#held.size >= this.#options.max
  }

  /**
   * Takes a slot until the connection closes. Closes it at once, and returns `false`, if there is none.
   * @param hasNoRequest whether every request that has arrived completely is answered
   */
  admit(connection: Socket, hasNoRequest: () => boolean): boolean {
    const client = clientOf(connection.remoteAddress)
    if (this.areTaken) {
      this.#options.onClosed()
      if (!this.#makeRoomFor(client)) {
        connection.destroy()
        return false
      }
    }
    const slot = new HeldSlot(connection, client, hasNoRequest)
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
    if (this.#byClient.mostSlots <= this.#byClient.slotsOf(client)) return false
    const slot = this.#longestIdle()
    if (slot === undefined) return false
    this.release(slot.connection)
    disconnect(slot.connection)
    return true
  }

  /**
   * The connection that has been idle for the longest, nearly: the first one from which nothing has come since the last look, by the
   * "second chance" algorithm. So a request costs nothing, and a look little, however many connections there are.
   * @see https://en.wikipedia.org/wiki/Page_replacement_algorithm#Second-chance
   */
  #longestIdle(): HeldSlot | undefined {
    const active: HeldSlot[] = []
    for (const slot of this.#byClient.ofLargest()) {
      if (slot.isIdle && !slot.wasActive) return this.#pass(active, slot)
      active.push(slot)
      if (active.length === MAX_LOOKS) break
    }
    return this.#pass(
      active,
      active.find(({ isIdle }) => isIdle),
    )
  }

  /** Looks at these connections last the next time. */
  #pass(active: readonly HeldSlot[], found: HeldSlot | undefined): HeldSlot | undefined {
    for (const slot of active) {
      slot.look()
      this.#byClient.moveToEnd(slot)
    }
    return found
  }
}
