import type { Socket } from 'node:net'
import { PacedClosing } from './paced-closing.ts'
import { ignoreInput } from './parsers.ts'
import { SocketInput } from './socket-input.ts'

const closing = new PacedClosing()
const closingSoon = new WeakSet<Socket>()

/**
 * Closes a connection and ignores what it has sent. Otherwise Node would handle every request and every chunk of a body in the bytes
 * that it has read, which can be ten thousand.
 */
export function disconnect(connection: Socket): void {
  connection.destroy()
  ignoreInput(connection)
}

/** The same for what thousands of connections can cause at once: closes a few in each turn of the event loop. */
export function disconnectInTurn(connection: Socket): void {
  closingSoon.add(connection)
  ignoreInput(connection)
  new SocketInput(connection).pause()
  closing.close(connection)
}

/** Whether the requests of a connection need no response. */
export function isDisconnected(connection: Socket): boolean {
  return connection.destroyed || closingSoon.has(connection)
}
