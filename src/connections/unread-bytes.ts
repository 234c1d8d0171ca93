import type { Socket } from 'node:net'
import { Transfers } from './transfers.ts'

/** Bytes that the clients of one protocol have not read. */
const MAX_UNREAD_BYTES = 64 * 1024 * 1024

/** Undocumented members of a socket: bytes sent to the kernel are those dispatched minus those queued. */
interface SocketInternals {
  readonly _bytesDispatched: number
  readonly _handle: { readonly writeQueueSize: number } | null
}

/** What a client has not read. */
export interface Unread {
  readonly connection: Socket
  readonly unreadBytes: number
  /** Time left to read more, in ms: the less, the longer the client has read too slowly. */
  readonly leftMs: number
}

/** Disconnects the slowest readers, until all clients together do not leave too much unread. */
export function disconnectSlowest(unread: readonly Unread[]): void {
  let totalBytes = unread.reduce((sum, { unreadBytes }) => sum + unreadBytes, 0)
  if (totalBytes <= MAX_UNREAD_BYTES) return
  for (const { connection, unreadBytes } of unread.toSorted((a, b) => a.leftMs - b.leftMs)) {
    connection.destroy()
    totalBytes -= unreadBytes
    if (totalBytes <= MAX_UNREAD_BYTES) return
  }
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

  /** @param limitMs how long a client may read too slowly */
  constructor(limitMs: number) {
    this.#transfers = new Transfers(limitMs)
  }

  /** Disconnects clients that read or send too slowly, and the slowest readers if all together leave too much unread. */
  disconnectFrom(connections: Iterable<Socket>, { unreadBytes, sendsTooSlowly }: Transferring): void {
    const nowMs = performance.now()
    const unread: Unread[] = []
    for (const connection of connections) {
      const reading = this.#readingOf(connection, unreadBytes(connection), nowMs)
      const isTooSlow = sendsTooSlowly(connection, nowMs) || (reading !== undefined && reading.leftMs <= 0)
      if (isTooSlow) connection.destroy()
      else if (reading !== undefined) unread.push(reading)
    }
    disconnectSlowest(unread)
  }

  /** `undefined` if the client has read everything. */
  #readingOf(connection: Socket, unreadBytes: number, nowMs: number): Unread | undefined {
    if (unreadBytes > 0) {
      return { connection, unreadBytes, leftMs: this.#transfers.leftMs(connection, sentBytes(connection), nowMs) }
    }
    this.#transfers.end(connection)
    return undefined
  }
}

/** Bytes that were passed to the kernel. */
function sentBytes(socket: Socket): number {
  const { _bytesDispatched, _handle } = socket as unknown as SocketInternals
  return _bytesDispatched - (_handle?.writeQueueSize ?? 0)
}
