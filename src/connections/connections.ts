import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * How many requests may be unanswered that were sent without waiting for answers: of one connection, and of all together. Each
 * takes ten kilobytes, and what arrives in one packet is handled in one turn of the event loop, about 20 µs each.
 */
const MAX_PIPELINED_PER_CONNECTION = 100
const MAX_PIPELINED = 2_000

/** What a request takes that waits for the answers before its own. */
const BYTES_PER_WAITING_REQUEST = 4_096

const LAST = Symbol('the answer to the last request')
const PIPELINE = Symbol('the unfinished answers, in order, of a client that did not wait for them')

interface Connection extends Socket {
  [LAST]?: ServerResponse | undefined
  [PIPELINE]?: ServerResponse[]
}

interface ConnectionsOptions {
  readonly max: number
  /** How many requests of one connection may be unanswered. Default: 100. */
  readonly maxPipelined?: number
  /** A connection was closed because there were too many. */
  readonly onRefused: () => void
}

/**
 * The connections of a server, and what each has under way. `server.maxConnections` would not do: under node:cluster, a process
 * that is full hands connections back to the primary, which offers them to the next one, for ever.
 */
export class Connections implements Iterable<Socket> {
  readonly #open = new Set<Socket>()
  readonly #maxPipelinedPerConnection: number
  #pipelined = 0

  constructor(server: Server, { max, maxPipelined, onRefused }: ConnectionsOptions) {
    this.#maxPipelinedPerConnection = maxPipelined ?? MAX_PIPELINED_PER_CONNECTION
    server.prependListener('connection', (socket: Socket) => {
      if (this.#open.size >= max) {
        socket.destroy()
        onRefused()
        return
      }
      this.#open.add(socket)
      socket.once('close', () => this.#closed(socket))
    })
    // Rather than in a hook of the app, which requests with an unreadable path never reach.
    server.prependListener('request', (_request, response) => this.#begin(response))
  }

  [Symbol.iterator](): Iterator<Socket> {
    return this.#open.values()
  }

  /** The answer to the last request, unless both are finished. */
  current(connection: Connection): ServerResponse | undefined {
    const last = connection[LAST]
    if (last?.writableFinished && last.req.complete) connection[LAST] = undefined
    return connection[LAST]
  }

  /** The memory taken by answers that the client has not read. */
  unreadBytes(connection: Connection): number {
    let bytes = connection.writableLength
    for (const { socket, writableLength } of connection[PIPELINE] ?? []) {
      if (socket === null) bytes += writableLength + BYTES_PER_WAITING_REQUEST
    }
    return bytes
  }

  /** Calls back once those before it on the connection are answered; never, if the connection is closed before. */
  whenNext(response: ServerResponse, callback: () => void): void {
    const connection: Connection = response.req.socket
    const pipeline = connection[PIPELINE] ?? []
    const before = pipeline[pipeline.indexOf(response) - 1]
    if (before === undefined) callback()
    else before.once('close', () => connection.destroyed || callback())
  }

  /**
   * Calls back once every request that has arrived completely is answered. One that is still arriving may have its answer
   * already, if what it asked for was plain from its head.
   */
  whenAnswered(connection: Connection, callback: (isLastAnswered: boolean) => void): void {
    const last = this.current(connection)
    if (last === undefined) callback(false)
    else if (last.req.complete) last.once('close', () => callback(false))
    else this.whenNext(last, () => whenSettled(last, () => callback(last.headersSent)))
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

  /** What its client had sent is answered to nobody. */
  #closed(connection: Connection): void {
    this.#open.delete(connection)
    this.#pipelined -= connection[PIPELINE]?.splice(0).length ?? 0
  }
}

/** What Node knows of a connection's parser and does not tell: what is done with a request's head, and what follows. */
interface ParserInternals {
  readonly parser?: { onIncoming: () => number } | null
}

/** The parser's word for bytes that are no more HTTP, as after an upgrade: it leaves them. */
const NOT_HTTP = 2

/** Closes a connection, and leaves what it has sent: Node would parse all that it read at once, for nobody. */
function disconnect(connection: Socket): void {
  connection.destroy()
  const { parser } = connection as ParserInternals
  if (parser) parser.onIncoming = () => NOT_HTTP
}

/** Calls back now if an answer has not been begun, or at its end. */
function whenSettled(response: ServerResponse, callback: () => void): void {
  if (response.headersSent && !response.writableFinished) response.once('close', callback)
  else callback()
}
