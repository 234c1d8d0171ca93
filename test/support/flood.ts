import type { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'

const TURNS = 200

/** Sends a text again and again, as fast as the service reads. */
export function flood(socket: Socket, text: string): void {
  while (socket.writable && socket.write(text));
  socket.once('drain', () => flood(socket, text))
}

/** The most bytes that a server in this process reads of its connections in one turn of the event loop. */
export async function mostReadInATurn(connections: readonly Socket[]): Promise<number> {
  const bytesRead = () => connections.reduce((sum, connection) => sum + connection.bytesRead, 0)
  let most = 0
  for (let turn = 0; turn < TURNS; turn++) {
    const before = bytesRead()
    await nextTurn()
    most = Math.max(most, bytesRead() - before)
  }
  return most
}
