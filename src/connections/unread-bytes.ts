import type { Socket } from 'node:net'
import type { Found } from './held-memory.ts'
import { Transfers } from './transfers.ts'

/** Undocumented members of a socket: bytes sent to the kernel are those dispatched minus those queued. */
interface SocketInternals {
  readonly _bytesDispatched: number
  readonly _handle: { readonly writeQueueSize: number } | null
}

/** What a look at the connections of a protocol needs to know of each. */
export interface Transferring {
  /** Bytes that the client has not read. */
  unreadBytes(connection: Socket): number
  sendsTooSlowly(connection: Socket, nowMs: number): boolean
}

/** Finds clients that read too slowly. */
export class SlowReaders {
  readonly #transfers: Transfers
  readonly #limitMs: number

  /** @param limitMs how long a client may read too slowly */
  constructor(limitMs: number) {
    this.#transfers = new Transfers(limitMs)
    this.#limitMs = limitMs
  }

  /** Disconnects clients that read or send too slowly. Returns what the others have not read. */
  disconnectFrom(connections: Iterable<Socket>, { unreadBytes, sendsTooSlowly }: Transferring): readonly Found[] {
    const nowMs = performance.now()
    const unread: Found[] = []
    for (const connection of connections) {
      const bytes = unreadBytes(connection)
      const leftMs = this.#leftMs(connection, nowMs)
      if (sendsTooSlowly(connection, nowMs) || leftMs <= 0) connection.destroy()
      else if (bytes > 0) unread.push({ connection, bytes, isProgressing: leftMs >= this.#limitMs })
    }
    return unread
  }

  /** The time that a client has left to read more. It does not pass while responses wait for an earlier one, which is not sent yet. */
  #leftMs(connection: Socket, nowMs: number): number {
    if (connection.writableLength > 0) return this.#transfers.leftMs(connection, sentBytes(connection), nowMs)
    this.#transfers.end(connection)
    return this.#limitMs
  }
}

/** Bytes that were passed to the kernel. */
function sentBytes(socket: Socket): number {
  const { _bytesDispatched, _handle } = socket as unknown as SocketInternals
  return _bytesDispatched - (_handle?.writeQueueSize ?? 0)
}
