import type { Socket } from 'node:net'
import { clientOf } from '../lib/client-of.ts'
import { SharedBound } from './shared-bound.ts'

/**
 * Bytes that clients may make a front process hold, over all protocols: unfinished requests and unread responses. A process under attack
 * takes about as much again, for connections and for what is not collected yet.
 */
const MAX_HELD_BYTES = 48 * 1024 * 1024

export function heldMemory(): SharedBound {
  return new SharedBound(MAX_HELD_BYTES)
}

/** What an inspection finds that a connection holds. */
export interface Found {
  readonly connection: Socket
  readonly bytes: number
  /** Whether its client reads on. Other connections of this client are then closed first. */
  readonly isProgressing: boolean
}

interface Holding {
  readonly client: string
  readonly lose: () => void
  isLost: boolean
}

/** What connections hold of a shared bound, as inspections find it. */
export class InspectedMemory {
  readonly #memory: SharedBound
  readonly #close: (connection: Socket) => void
  #holdings = new Map<Socket, Holding>()

  /** @param close closes a connection that holds too much */
  constructor(memory: SharedBound, close: (connection: Socket) => void) {
    this.#memory = memory
    this.#close = close
  }

  /** Replaces what the last inspection found. */
  update(found: readonly Found[]): void {
    const before = this.#holdings
    this.#holdings = new Map()
    for (const { connection, isProgressing } of found) {
      const holding = before.get(connection) ?? this.#begin(connection)
      before.delete(connection)
      this.#holdings.set(connection, holding)
      if (isProgressing) this.#release(holding)
    }
    for (const holding of before.values()) this.#release(holding)
    this.#memory.holdAll(this.#held(found))
  }

  #begin(connection: Socket): Holding {
    const lose = () => {
      holding.isLost = true
      this.#close(connection)
    }
    const holding: Holding = { client: clientOf(connection.remoteAddress), lose, isLost: false }
    return holding
  }

  #release({ client, lose }: Holding): void {
    this.#memory.release(client, lose)
  }

  *#held(found: readonly Found[]): Iterable<readonly [client: string, lose: () => void, bytes: number]> {
    for (const { connection, bytes } of found) {
      const holding = this.#holdings.get(connection)
      if (holding !== undefined && !holding.isLost) yield [holding.client, holding.lose, bytes]
    }
  }
}
