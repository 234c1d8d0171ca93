import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ConnectionSlots } from './connection-slots.ts'
import { disconnect } from './disconnect.ts'

/**
 * Pipelined requests that may be unanswered: of one connection, and of all connections. Each takes ten kilobytes. All requests of one
 * packet are handled in one turn of the event loop, about 50 µs each, and a process accepts one connection in a turn.
 */
const MAX_PIPELINED_PER_CONNECTION = 16
const MAX_PIPELINED = 2_000

/** What a pipelined request that waits adds to the unread bytes of its client: a low estimate of its memory. */
const BYTES_PER_WAITING_REQUEST = 4_096

const LAST = Symbol('the response to the last request')
const PIPELINE = Symbol('the unfinished responses of a pipelining client, in order')

interface Connection extends Socket {
  [LAST]?: ServerResponse | undefined
  [PIPELINE]?: ServerResponse[]
}

interface ConnectionsOptions {
  readonly slots: ConnectionSlots
  /** Pipelined requests of one connection. Default: 16. */
  readonly maxPipelined?: number
  /** Whether a new connection replaces the oldest one without an unanswered request, if there are too many. Default: it is refused. */
  readonly replacesIdle?: boolean
}

/** The connections of a server, with their requests in flight. */
export class Connections implements Iterable<Socket> {
  readonly #open = new Set<Socket>()
  readonly #slots: ConnectionSlots
  readonly #maxPipelinedPerConnection: number
  #pipelined = 0

  constructor(server: Server, { slots, maxPipelined, replacesIdle = false }: ConnectionsOptions) {
    this.#slots = slots
    this.#maxPipelinedPerConnection = maxPipelined ?? MAX_PIPELINED_PER_CONNECTION
    server.prependListener('connection', (socket: Socket) => {
      if (slots.areTaken && replacesIdle) this.#closeOldestIdle()
      if (!slots.admit(socket, () => this.current(socket) === undefined)) return
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
    for (const { socket, writableLength } of connection[PIPELINE] ?? []) {
      if (socket === null) bytes += writableLength + BYTES_PER_WAITING_REQUEST
    }
    return bytes
  }

  /** Calls back when all earlier responses of the connection are finished; never, if it is closed before. */
  whenNext(response: ServerResponse, callback: () => void): void {
    const connection: Connection = response.req.socket
    const pipeline = connection[PIPELINE] ?? []
    const before = pipeline[pipeline.indexOf(response) - 1]
    if (before === undefined) callback()
    else before.once('close', () => connection.destroyed || callback())
  }

  /**
   * Calls back when every request that has arrived completely is answered. A request that is still arriving may have its response
   * already, if its head decided it.
   */
  whenAnswered(connection: Connection, callback: (isLastAnswered: boolean) => void): void {
    const last = this.current(connection)
    if (last === undefined) callback(false)
    else if (last.req.complete) last.once('close', () => callback(false))
    else this.whenNext(last, () => whenSettled(last, () => callback(last.headersSent)))
  }

  /** Closes each connection that has a request in flight, after the response. A response that has not begun yet announces it. */
  closeAfterResponses(): void {
    for (const connection of this.#open) {
      const last = this.current(connection)
      if (last?.headersSent) whenSettled(last, () => connection.end())
      else if (last) last.shouldKeepAlive = false
    }
  }

  #closeOldestIdle(): void {
    for (const connection of this.#open as Set<Connection>) {
      if (connection[LAST]?.writableFinished === false) continue
      this.#open.delete(connection)
      this.#slots.release(connection)
      disconnect(connection)
      return
    }
  }

  #begin(response: ServerResponse): void {
    const connection: Connection = response.req.socket
    const last = connection[LAST]
    connection[LAST] = response
    if (last === undefined || last.writableFinished) return
    const pipeline = connection[PIPELINE] ?? []
    connection[PIPELINE] = pipeline
    if (pipeline.at(-1) !== last) this.#enqueue(pipeline, last)
    this.#enqueue(pipeline, response)
    const isTooMuch = pipeline.length > this.#maxPipelinedPerConnection || this.#pipelined > MAX_PIPELINED
    if (isTooMuch) disconnect(connection)
  }

  #enqueue(pipeline: ServerResponse[], response: ServerResponse): void {
    pipeline.push(response)
    this.#pipelined++
    response.once('close', () => {
      const index = pipeline.indexOf(response)
      if (index === -1) return
      pipeline.splice(index, 1)
      this.#pipelined--
    })
  }

  /** The requests of a closed connection need no response. */
  #closed(connection: Connection): void {
    this.#open.delete(connection)
    this.#pipelined -= connection[PIPELINE]?.splice(0).length ?? 0
  }
}

/** Calls back now if the response has not started, else at its end. */
function whenSettled(response: ServerResponse, callback: () => void): void {
  if (response.headersSent && !response.writableFinished) response.once('close', callback)
  else callback()
}
