import type { Reservation } from './reservation.ts'

/** What is used of the response of Node. */
export interface ClosingResponse {
  readonly statusCode: number
  readonly headersSent: boolean
  readonly closed: boolean
  readonly req: { readonly socket: ClosingSocket }
  once(event: 'close', listener: () => void): unknown
}

interface ClosingSocket {
  readonly destroyed: boolean
  once(event: 'close', listener: () => void): unknown
}

/**
 * Charges a request if it fails, and gives back what it holds if it does not. A client that leaves before the response
 * is charged: it could otherwise try without limits.
 */
export function settleByResponse(response: ClosingResponse, reservation: Reservation): void {
  whenClosed(response, () => {
    const hasFailed = response.statusCode >= 400 || !response.headersSent
    // Neither is ever an unhandled rejection.
    void (hasFailed ? reservation.settle() : reservation.release())
  })
}

/** Listeners of each connection. A client can send many requests at once, and Node warns of many listeners to one event. */
const listenersOf = new WeakMap<ClosingSocket, Set<() => void>>()

/** Node does not close a response that waits for an earlier one of its connection, so the connection counts too. */
function whenClosed(response: ClosingResponse, listener: () => void): void {
  const { socket } = response.req
  if (response.closed || socket.destroyed) {
    listener()
    return
  }
  const listeners = listenersOf.get(socket) ?? listenTo(socket)
  const listenOnce = () => {
    if (listeners.delete(listenOnce)) listener()
  }
  listeners.add(listenOnce)
  response.once('close', listenOnce)
}

function listenTo(socket: ClosingSocket): Set<() => void> {
  const listeners = new Set<() => void>()
  listenersOf.set(socket, listeners)
  socket.once('close', () => {
    for (const listener of listeners) listener()
  })
  return listeners
}
