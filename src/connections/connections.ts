import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { clientOf } from '../lib/client-of.ts'
import type { ConnectionSlots } from './connection-slots.ts'
import { disconnect, disconnectInTurn } from './disconnect.ts'
import type { ConnectionState } from './held-slot.ts'
import { hasUnparsedRequest } from './parser-input.ts'
import { SharedBound } from './shared-bound.ts'

/**
 * Pipelined requests that may be unanswered: of one connection, and of all connections. Each takes ten kilobytes, and all requests of
 * one packet are parsed in one turn of the event loop, about 10 µs each.
 */
const MAX_PIPELINED_PER_CONNECTION = 16
const MAX_PIPELINED = 2_000

/** What a pipelined request that waits adds to the unread bytes of its client: a low estimate of its memory. */
const BYTES_PER_WAITING_REQUEST = 4_096

const LAST = Symbol('the response to the last request')
const CLOSES = Symbol('the response that announces, in this turn of the event loop, that the connection closes')
const PIPELINE = Symbol('the unfinished responses of a pipelining client')
const UNANSWERED = Symbol('no response: an earlier one is the last of its connection')

interface Connection extends Socket {
  [LAST]?: ServerResponse | undefined
  [CLOSES]?: ServerResponse | undefined
  [PIPELINE]?: Pipeline
}

interface Response extends ServerResponse {
  [UNANSWERED]?: true
}

interface Pipeline {
  readonly client: string
  /** In their order. */
  readonly responses: ServerResponse[]
  /** Disconnects the client. */
  readonly cut: () => void
}

interface ConnectionsOptions {
  readonly slots: ConnectionSlots
  /** Pipelined requests of one connection. Default: 16. */
  readonly maxPipelined?: number
}

/** The connections of a server, with their requests in flight. */
export class Connections implements Iterable<Socket> {
  readonly #open = new Set<Socket>()
  readonly #maxPipelinedPerConnection: number
  readonly #pipelined = new SharedBound(MAX_PIPELINED)
  #isClosing = false

  constructor(server: Server, { slots, maxPipelined }: ConnectionsOptions) {
    this.#maxPipelinedPerConnection = maxPipelined ?? MAX_PIPELINED_PER_CONNECTION
    server.prependListener('connection', (socket: Socket) => {
      if (!slots.admit(socket, () => this.#stateOf(socket))) return
      this.#open.add(socket)
      socket.once('close', () => this.#closed(socket))
    })
    // Not in a hook of the app, which requests with an unreadable path never reach.
    server.prependListener('request', (_request, response) => this.#begin(response))
  }

  [Symbol.iterator](): Iterator<Socket> {
    return this.#open.values()
  }

  /** The response to the last request, unless both are finished. */
  current(connection: Connection): ServerResponse | undefined {
    const last = connection[LAST]
    if (last?.writableFinished && last.req.complete) connection[LAST] = undefined
    return connection[LAST]
  }

  /** Memory of the responses that the client has not read. */
  unreadBytes(connection: Connection): number {
    let bytes = connection.writableLength
    for (const { socket, writableLength } of connection[PIPELINE]?.responses ?? []) {
      if (socket === null) bytes += writableLength + BYTES_PER_WAITING_REQUEST
    }
    return bytes
  }

  /** Calls back when all earlier responses of the connection are finished; never, if it is closed before. */
  whenNext(response: ServerResponse, callback: () => void): void {
    const connection: Connection = response.req.socket
    const pipeline = connection[PIPELINE]?.responses ?? []
    const before = pipeline[pipeline.indexOf(response) - 1]
    if (before === undefined) callback()
    else before.once('close', () => connection.destroyed || callback())
  }

  /**
   * Calls back when every request that has arrived completely is answered. A request that is still arriving may have its response
   * already, if its head decided it.
   * @param callback gets whether the connection has its last response
   */
  whenAnswered(connection: Connection, callback: (hasLastResponse: boolean) => void): void {
    // `current` forgets a finished response, also one that ends the connection.
    const previous = connection[LAST]
    const last = this.current(connection)
    if (last === undefined) callback(previous?.shouldKeepAlive === false)
    else if (last.req.complete) last.once('close', () => callback(!last.shouldKeepAlive))
    else this.whenNext(last, () => whenSettled(last, () => callback(last.headersSent)))
  }

  /**
   * Closes each connection after a response that announces it, from now on: that of its last request, or of the next one if it has begun
   * already. Among requests that have arrived together, or that waited for an earlier one, that is the last one.
   */
  closeAfterResponses(): void {
    this.#isClosing = true
    for (const connection of this.#open) {
      const last = this.current(connection)
      if (last?.headersSent === false) last.shouldKeepAlive = false
    }
  }

  /** Resolves when every connection is closed. */
  async allClosed(): Promise<void> {
    for (const connection of this.#open) await new Promise(resolve => connection.once('close', resolve))
  }

  #stateOf(connection: Connection): ConnectionState {
    if (hasUnparsedRequest(connection)) return 'busy'
    const last = this.current(connection)
    if (last === undefined) return 'idle'
    const isOnly = (connection[PIPELINE]?.responses.length ?? 0) <= 1
    return isOnly && !last.req.complete ? 'receiving' : 'busy'
  }

  #begin(response: Response): void {
    const connection: Connection = response.req.socket
    const last = connection[LAST]
    if (this.#isClosing) closeAfter(response, connection)
    if (last?.shouldKeepAlive === false || connection.writableEnded) {
      response[UNANSWERED] = true
      return
    }
    connection[LAST] = response
    if (last === undefined || last.writableFinished) return
    connection[PIPELINE] ??= pipelineOf(connection)
    const { client, responses, cut } = connection[PIPELINE]
    if (responses.at(-1) !== last) this.#enqueue(connection[PIPELINE], last)
    this.#enqueue(connection[PIPELINE], response)
    if (responses.length > this.#maxPipelinedPerConnection) disconnect(connection)
    else this.#pipelined.holdOrLose(client, cut, responses.length)
  }

  #enqueue({ client, responses, cut }: Pipeline, response: ServerResponse): void {
    responses.push(response)
    response.once('close', () => {
      const index = responses.indexOf(response)
      if (index === -1) return
      responses.splice(index, 1)
      this.#pipelined.hold(client, cut, responses.length)
    })
  }

  /** The requests of a closed connection need no response. */
  #closed(connection: Connection): void {
    this.#open.delete(connection)
    const pipeline = connection[PIPELINE]
    if (pipeline === undefined) return
    pipeline.responses.length = 0
    this.#pipelined.release(pipeline.client, pipeline.cut)
  }
}

/** Whether a request gets no response, because an earlier response is the last one of its connection. Its client may send it again. */
export function isUnanswered(response: Response): boolean {
  return response[UNANSWERED] === true
}

/** Lets a response announce that its connection closes, unless another request has arrived with it or waits to be parsed. */
function closeAfter(response: ServerResponse, connection: Connection): void {
  const previous = connection[CLOSES]
  if (previous?.headersSent === false) previous.shouldKeepAlive = true
  if (hasUnparsedRequest(connection)) return
  connection[CLOSES] = response.shouldKeepAlive ? response : undefined
  response.shouldKeepAlive = false
  setImmediate(() => {
    connection[CLOSES] = undefined
  })
}

function pipelineOf(connection: Socket): Pipeline {
  const responses: ServerResponse[] = []
  const cut = () => {
    responses.length = 0
    disconnectInTurn(connection)
  }
  return { client: clientOf(connection.remoteAddress), responses, cut }
}

/** Calls back now if the response has not started, else at its end. */
function whenSettled(response: ServerResponse, callback: () => void): void {
  if (response.headersSent && !response.writableFinished) response.once('close', callback)
  else callback()
}
