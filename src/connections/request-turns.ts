import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { TurnBudget } from '../lib/turn-budget.ts'
import { isUnanswered } from './connections.ts'
import { isDisconnected } from './disconnect.ts'
import { countBytes, countPart, countRequest, readInTurns } from './paced-socket.ts'
import { watchParts, watchReads } from './parsers.ts'
import { SocketTurns } from './socket-turns.ts'
import { waitForTurn } from './wait-for-turn.ts'

/** Requests of all connections that are handled in one turn of the event loop, and fewer if that takes longer than some milliseconds. */
const REQUESTS_PER_TURN = 128

/** While requests wait: a process takes one new connection in a turn, so there are more turns than those with requests. */
const PACE = { turnMs: 3, turnsToRest: 3 }

/** The part of a turn's requests that is parsed in one turn while connections wait. */
const PARSED_WHILE_WAITING = 1 / 4

/** Characters of a head that take about as long to handle as a request with a short head. */
const CHARACTERS_OF_REQUEST = 1_024

/**
 * How many times as many are parsed in one turn at first: some 15 ms, and more than usual clients send at once. While connections wait,
 * no more are parsed than are handled.
 */
const PARSED_AT_ONCE = 8

/**
 * Bounds the requests that a server handles in one turn of the event loop; one with a long head counts as several. Further ones wait for
 * the next turns, in which clients take turns. If too many arrive together, or too many parts of bodies or bytes, further connections are not
 * read. Otherwise everything that many connections have sent together would be parsed and handled before other work goes on. Node sends
 * the responses of a connection in the order of its requests.
 */
export class RequestTurns {
  readonly #budget: TurnBudget

  /** @param server with its listener for requests, and no other */
  constructor(server: Server, perTurn = REQUESTS_PER_TURN) {
    this.#budget = new TurnBudget({ perTurn, ...PACE })
    const reading = new SocketTurns({
      perTurn: PARSED_AT_ONCE * perTurn,
      perTurnOfWaiting: perTurn * PARSED_WHILE_WAITING,
      isBehind: () => this.#budget.isBehind,
    })
    server.on('connection', (socket: Socket) => {
      readInTurns(socket, reading)
      watchParts(socket, countPart)
      watchReads(socket, countBytes)
    })
    const [handle] = server.listeners('request') as [RequestListener]
    server.off('request', handle).on('request', (request, response) => this.#take(request, response, handle))
  }

  /** Whether further requests wait for the next turns. */
  get isSpent(): boolean {
    return this.#budget.isSpent
  }

  /** Counts a short request that the server's parser has not seen. */
  spend(socket: Socket): void {
    countRequest(socket)
    this.#budget.spend(1)
  }

  #take(request: IncomingMessage, response: ServerResponse, handle: RequestListener): void {
    const { socket } = request
    const work = workOf(request)
    countRequest(socket, work)
    const run = () => {
      if (isDisconnected(socket) || isUnanswered(response)) return
      this.#budget.spend(work)
      handle(request, response)
    }
    if (this.#budget.isSpent && !isDisconnected(socket)) {
      waitForTurn(this.#budget, { socket, ip: socket.remoteAddress }, { run })
    } else run()
  }
}

/** In requests with a short head. */
function workOf({ url = '', rawHeaders }: IncomingMessage): number {
  let characters = url.length
  for (const text of rawHeaders) characters += text.length
  return 1 + Math.floor(characters / CHARACTERS_OF_REQUEST)
}
