import type { Socket } from 'node:net'
import { FewPerTurn } from '../lib/few-per-turn.ts'

/** Closing a connection takes about 50 µs, or twice that with a response, so this is as long as a batch of checks. */
const CLOSED_PER_TURN = 10

/** Closes connections, a few in each turn of the event loop. */
export class PacedClosing {
  readonly #tasks = new FewPerTurn<Socket>(CLOSED_PER_TURN)

  /** @param how by default, without a response */
  close(connection: Socket, how: (connection: Socket) => void = destroy): void {
    this.#tasks.add(connection, () => how(connection))
  }
}

function destroy(connection: Socket): void {
  connection.destroy()
}
