import type { Server, Socket } from 'node:net'
import type { ConnectionSlots } from '../connections/connection-slots.ts'
import type { LargeRequests } from '../connections/large-requests.ts'
import { OpenSockets } from '../connections/open-sockets.ts'
import { readingTurns } from '../connections/paced-reading.ts'
import type { SharedBound } from '../connections/shared-bound.ts'
import { SocketTurns } from '../connections/socket-turns.ts'
import { clientOf } from '../lib/client-of.ts'
import { FewPerTurn } from '../lib/few-per-turn.ts'
import { afterLongTurns } from '../lib/long-turns.ts'
import { RecentClients } from '../lib/recent-clients.ts'
import type { GrpcObserver, Method, Methods } from './call.ts'
import { GOAWAY_MS } from './goaway.ts'
import { GrpcConnection } from './grpc-connection.ts'
import { OldGeneration } from './old-generation.ts'
import { RefusedCalls } from './refused-calls.ts'
import type { Status } from './status.ts'

/** How long clients may take to read their responses once the server closes, in ms. */
const READING_MS = 1_000

/**
 * Some 10 ms of calls in a turn of the event loop: four connections can begin all their calls at once. A check of another protocol takes
 * several turns, so after a full one, others have some without calls.
 */
const CALL_TURNS = { perTurn: 128, turnsToRest: 3 }

/** To end a connection with its calls takes about a millisecond. */
const ENDINGS_PER_TURN = 5

/** How long a client can open no connection after it has sent a flood, in ms. Otherwise it would send the next one at once. */
const BARRED_MS = 10_000

/** Interval at which all calls are inspected, in ms. */
const LOOK_INTERVAL_MS = 250

export interface GrpcServerOptions {
  readonly methods: Methods
  /** Refuses the calls of other methods. */
  readonly unknownMethod: Method
  readonly slots: ConnectionSlots
  /** That all clients share. */
  readonly memory: SharedBound
  readonly observer: GrpcObserver
  readonly largeRequests: LargeRequests
  /** Reports a client that has sent a flood, and can open no connection for a while. */
  flooded(client: string): void
  /** Reports a bug. Returns the status that the client gets, which has no details. */
  failed(err: unknown): Status
}

/** Serves calls over HTTP/2 without TLS. Each has one message in its request. */
export class GrpcServer {
  readonly #open: OpenSockets<GrpcConnection>
  readonly #oldGeneration = new OldGeneration()
  readonly #barred = new RecentClients(BARRED_MS)
  readonly #timer: NodeJS.Timeout
  readonly #endLongTurns: () => void
  #isClosing = false

  constructor(options: GrpcServerOptions) {
    const endings = new FewPerTurn<GrpcConnection>(ENDINGS_PER_TURN)
    const context = {
      ...options,
      reading: readingTurns(),
      callTurns: new SocketTurns({ ...CALL_TURNS, countRest: () => this.#countRead() }),
      endings,
      countCall: () => this.#oldGeneration.countCall(),
      refusedCalls: new RefusedCalls(),
      bar: (client: string) => {
        this.#barred.add(client, performance.now())
        options.flooded(client)
      },
    }
    const { slots, memory } = options
    const open = (socket: Socket, hold: (bytes: number) => void) => new GrpcConnection(socket, { ...context, hold })
    this.#open = new OpenSockets({ slots, memory, open })
    this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL_MS).unref()
    this.#endLongTurns = afterLongTurns(() => this.#countRead())
  }

  /** A listener for one address. */
  createListener(): Server {
    return this.#open.createListener((socket, connection) => {
      if (this.#barred.has(clientOf(socket.remoteAddress), performance.now())) connection.destroy()
      else if (this.#isClosing) connection.retire()
    })
  }

  /** Tells clients to use other connections, and closes theirs soon after. Call it once no listener accepts connections. */
  goAway(): void {
    this.#isClosing = true
    for (const connection of this.#open.handlers()) connection.retire()
  }

  /**
   * Ends every connection. Resolves when all are closed, after a while in any case.
   * @param answeringMs how long calls that are under way may take to be answered, in ms
   */
  async close(answeringMs: number): Promise<void> {
    this.goAway()
    await this.#open.whenClosed(GOAWAY_MS)
    // Begins only now, so that a process that was suspended meanwhile still answers its calls.
    await this.#open.whenClosed(answeringMs + READING_MS)
    this.#open.destroy()
    clearInterval(this.#timer)
    this.#endLongTurns()
    this.#oldGeneration.close()
  }

  /** Disconnects clients without a call, and those that send requests or read responses too slowly, and retires old connections. */
  #look(): void {
    const nowMs = performance.now()
    this.#countRead()
    this.#open.closeLate(nowMs)
    for (const [socket, connection] of this.#open) if (connection.look(nowMs) <= 0) socket.destroy()
    this.#barred.forget(nowMs)
    this.#oldGeneration.look(nowMs)
  }

  #countRead(): void {
    const nowMs = performance.now()
    for (const connection of this.#open.handlers()) connection.countRead(nowMs)
  }
}
