import type { Socket } from 'node:net'

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

/** Bytes that were passed to the kernel. */
export function sentBytes(socket: Socket): number {
  const { _bytesDispatched, _handle } = socket as unknown as SocketInternals
  return _bytesDispatched - (_handle?.writeQueueSize ?? 0)
}
