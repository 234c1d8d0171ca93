import type { IncomingMessage, Server } from 'node:http'
import type { Turns } from '../lib/turns.ts'
import { disconnect } from './disconnect.ts'
import { BYTES_PER_TURN, PacedReading } from './paced-reading.ts'
import { SocketInput } from './socket-input.ts'

/** Time for the rest of a body once its request is answered, in ms. */
const REST_TIMEOUT_MS = 5_000

/**
 * Discards the rest of large bodies whose requests are answered before they have arrived, so that the connection can be used again. The
 * rests take turns, and a client whose rest takes too long is disconnected. Node itself would read each rest as fast as it arrives.
 */
export class UnreadBodies {
  readonly #turns: Turns
  readonly #timeoutMs: number
  /** Ends the last rest of a connection. */
  readonly #endRest = new WeakMap<IncomingMessage['socket'], () => void>()

  /** @param turns of bodies that nobody reads */
  constructor(server: Server, turns: Turns, timeoutMs = REST_TIMEOUT_MS) {
    this.#turns = turns
    this.#timeoutMs = timeoutMs
    server.prependListener('request', (request, response) => {
      // Before Node's own listener, which would read the rest.
      if (isLarge(request)) response.prependListener('finish', () => this.#discardRest(request))
    })
  }

  /** Discards no more of the present rest of a connection. */
  leave(socket: IncomingMessage['socket']): void {
    this.#endRest.get(socket)?.()
  }

  #discardRest(request: IncomingMessage): void {
    if (request.complete) return
    const { socket } = request
    // The rest before this one has arrived, but its end may not have been noticed yet.
    this.leave(socket)
    const input = new SocketInput(socket)
    const reading = new PacedReading(input, { socket, ip: socket.remoteAddress })
    request.removeAllListeners('data')
    // Node leaves a body alone if it was read from.
    request.read()
    request.on('data', ({ length }: Buffer) => reading.take(length, this.#turns))
    // What has arrived is taken at once: while it waited, a body of tiny chunks would hold forty times its bytes.
    request.resume()

    const end = () => {
      clearTimeout(timer)
      reading.withdraw()
      input.resume()
      socket.off('close', end)
      this.#endRest.delete(socket)
      request.off('end', end).removeAllListeners('data').resume()
    }
    const timer = setTimeout(() => (request.complete ? end() : disconnect(socket)), this.#timeoutMs).unref()
    this.#endRest.set(socket, end)
    request.once('end', end)
    socket.once('close', end)
  }
}

/** Smaller bodies need no turn, and `SlowClients` disconnects a client that stops sending one. */
function isLarge({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length']) > BYTES_PER_TURN
}
