import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import { TurnBudget } from '../lib/turn-budget.ts'
import { isDisconnected } from './disconnect.ts'
import { waitForTurn } from './wait-for-turn.ts'

/** Requests of all connections that are handled in one turn of the event loop: a few milliseconds. */
const REQUESTS_PER_TURN = 128

/**
 * Bounds the requests that a server handles in one turn of the event loop. Further ones wait for the next turns, in which clients take
 * turns. Otherwise everything that many connections have sent together would be handled before other work goes on. Node sends the
 * responses of a connection in the order of its requests.
 */
export class RequestTurns {
  readonly #budget: TurnBudget

  /** @param server with its listener for requests, and no other */
  constructor(server: Server, perTurn = REQUESTS_PER_TURN) {
    this.#budget = new TurnBudget(perTurn)
    const [handle] = server.listeners('request') as [RequestListener]
    server.off('request', handle).on('request', (request, response) => this.#take(request, response, handle))
  }

  #take(request: IncomingMessage, response: ServerResponse, handle: RequestListener): void {
    const { socket } = request
    const run = () => {
      if (isDisconnected(socket)) return
      this.#budget.spend(1)
      handle(request, response)
    }
    if (this.#budget.isSpent && !isDisconnected(socket)) {
      waitForTurn(this.#budget, { socket, ip: socket.remoteAddress }, { run })
    } else run()
  }
}
