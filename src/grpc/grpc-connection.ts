import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { SocketTurns } from '../connections/socket-turns.ts'
import { clientOf } from '../lib/client-of.ts'
import { FewItems } from '../lib/few-items.ts'
import type { FewPerTurn } from '../lib/few-per-turn.ts'
import { ArrivingHead, HEAD_SETTINGS } from './arriving-head.ts'
import { releaseClosed } from './closed-stream.ts'
import { Exchange, type ExchangeContext } from './exchange.ts'
import { GOAWAY, GOAWAY_MS } from './goaway.ts'
import { keepFewStreams } from './open-streams.ts'
import { OtherFrames } from './other-frames.ts'
import { PacedCalls } from './paced-calls.ts'
import type { RefusedCalls } from './refused-calls.ts'
import { SmallParts } from './small-parts.ts'

/** Calls under way of one connection. With more, Envoy opens further connections, which the front processes share. */
const MAX_STREAMS = 32

/** Memory of node:http2 for one connection, in MB: several times what 32 calls need. */
const MAX_SESSION_MEGABYTES = 1

/**
 * Calls that a client may reset at once, and in each further second. A proxy whose callers hang up, or whose own deadline is short, resets
 * up to 32 calls every few milliseconds; by default, node:http2 would end its connection after 1,000.
 * @see https://nodejs.org/api/http2.html#http2createserveroptions-onrequesthandler
 */
const RESETS = { streamResetBurst: 10_000, streamResetRate: 2_000 }

/** Age at which a connection ends, in ms, so that connections spread again over all processes; and by how much it varies. */
const MAX_AGE_MS = 300_000
const AGE_JITTER = 0.2

/** How long a client may take to send a request or to read a response, in ms. */
const SLOW_MS = 10_000

/** What nghttp2 says of too many frames that it has to answer. @see https://nghttp2.org/documentation/nghttp2_error_code.html */
const NGHTTP2_ERR_FLOODED = -904

interface GrpcConnectionContext extends Omit<ExchangeContext, 'hold' | 'socket' | 'ip'> {
  /** Called with the bytes that the connection holds of unfinished requests and unread responses. */
  hold(bytes: number): void
  /** Of the calls of all connections. */
  readonly callTurns: SocketTurns
  /** The steps in which connections end, which many can do at once. */
  readonly endings: FewPerTurn<GrpcConnection>
  /** Called as each call begins. */
  countCall(): void
  /** Of all connections. */
  readonly refusedCalls: RefusedCalls
  /** Lets the client open no connection for a while, since it has sent a flood. */
  bar(client: string): void
}

/** One connection of a client, with its calls under way. */
export class GrpcConnection {
  readonly #socket: Socket
  readonly #session: ServerHttp2Session
  readonly #head: ArrivingHead
  readonly #pacedCalls: PacedCalls
  readonly #smallParts = new SmallParts(
    () => this.destroy(),
    bytes => this.#countPart(bytes),
  )
  readonly #otherFrames: OtherFrames
  readonly #exchanges = new FewItems<Exchange>()
  readonly #hold: (bytes: number) => void
  readonly #endings: FewPerTurn<GrpcConnection>
  readonly #countCall: () => void
  readonly #refusedCalls: RefusedCalls
  readonly #bar: (client: string) => void
  /** A socket that has closed does not know its address. */
  readonly #ip: string | undefined
  #heldBytes = 0
  readonly #beganMs = performance.now()
  readonly #endsMs = this.#beganMs + MAX_AGE_MS * (1 + AGE_JITTER * (Math.random() - 0.5))
  #isRetiring = false
  #retirement: NodeJS.Timeout | undefined
  /** Calls that it has begun, and those of them that were reset. */
  #calls = 0
  #resets = 0

  constructor(
    socket: Socket,
    { hold, endings, callTurns, countCall, refusedCalls, bar, ...shared }: GrpcConnectionContext,
  ) {
    this.#socket = socket
    this.#endings = endings
    this.#countCall = countCall
    this.#refusedCalls = refusedCalls
    this.#bar = bar
    this.#ip = socket.remoteAddress
    this.#session = performServerHandshake(socket, {
      maxSessionMemory: MAX_SESSION_MEGABYTES,
      ...RESETS,
      settings: { maxConcurrentStreams: MAX_STREAMS, enablePush: false, ...HEAD_SETTINGS },
    })
    keepFewStreams(this.#session)
    this.#smallParts.countPriorities(this.#session)
    this.#head = new ArrivingHead(socket, this.#session)
    this.#otherFrames = new OtherFrames(socket, this.#session)
    this.#pacedCalls = new PacedCalls(socket, callTurns, () => this.#resetsTooMany())
    this.#hold = bytes => {
      this.#heldBytes += bytes
      if (!socket.destroyed) hold(this.#heldBytes)
    }
    const context = { ...shared, socket, ip: this.#ip, hold: this.#hold }
    // An error closes the session.
    this.#session.on('error', (err: NodeJS.ErrnoException) => {
      // Until its stack is read, the error keeps the native session, and Node.js 20 would never free either of them.
      void err.stack
      if (err.errno === NGHTTP2_ERR_FLOODED) this.#flooded()
      else this.#endFlood(performance.now(), this.#session.pendingSettingsAck)
    })
    this.#session.once('localSettings', () => setImmediate(() => this.#countFirst()))
    this.#session.on('stream', (stream, headers) => {
      this.#otherFrames.countHead(headers)
      const exchange = this.#open(stream, context)
      if (!stream.destroyed) exchange.begin(headers)
    })
    socket.once('close', () => clearTimeout(this.#retirement))
  }

  /** Whether the client has sent a call. */
  get isAdmitted(): boolean {
    return this.#calls > 0
  }

  /** Whether each call is answered, or is only open for later changes of an answer. */
  get isIdle(): boolean {
    for (const { stream, waitsForClient } of this.#exchanges) if (waitsForClient || !stream.headersSent) return false
    return true
  }

  /** Whether each call waits for its client, or is answered. */
  get isReceiving(): boolean {
    for (const { stream, waitsForClient } of this.#exchanges) if (!waitsForClient && !stream.headersSent) return false
    return true
  }

  /** Tells the client to use another connection, and closes this one soon after, once its calls are answered. */
  retire(): void {
    if (this.#isRetiring) return
    this.#isRetiring = true
    this.#endings.add(this, () => this.#announceEnd())
  }

  #announceEnd(): void {
    if (this.#session.destroyed) return
    this.#socket.write(GOAWAY)
    this.#retirement = setTimeout(() => this.#endings.add(this, () => this.#endCalls()), GOAWAY_MS)
  }

  #endCalls(): void {
    for (const exchange of this.#exchanges) exchange.endStreaming()
    this.#session.close()
  }

  /** The time that the client has left to send a request or to read a response, in ms. Counts what the calls hold meanwhile. */
  look(nowMs: number): number {
    if (nowMs >= this.#endsMs) this.retire()
    let sinceMs = Math.min(nowMs, this.#head.look(nowMs, this.#hold) ?? nowMs)
    for (const exchange of this.#exchanges) {
      exchange.look(nowMs, this.#head.maxBytes)
      if (exchange.waitsForClient) sinceMs = Math.min(sinceMs, exchange.startMs)
    }
    return sinceMs + SLOW_MS - nowMs
  }

  /** Counts what was read. Closes the connection of a client that sends much besides calls. What arrives for one that has ended is skipped. */
  countRead(nowMs: number): void {
    if (this.#session.destroyed) return
    this.#pacedCalls.countRest()
    this.#endFlood(nowMs, this.#session.pendingSettingsAck)
  }

  /** In the turn after the settings are acknowledged: calls that have arrived with the acknowledgement are counted by then. */
  #countFirst(): void {
    if (!this.#session.destroyed) this.#endFlood(performance.now(), true)
  }

  #endFlood(nowMs: number, isEarly: boolean): void {
    const bytes = this.#otherFrames.takeExcess(nowMs)
    if (bytes === 0) return
    if (this.#mayHaveRefusedCalls(isEarly)) this.#countRefusedCalls(bytes, nowMs)
    else this.#flooded()
  }

  /**
   * node:http2 refuses calls beyond those that a client may open, and says nothing of them. Before the client has acknowledged the settings,
   * it does not know how many that are; before it has opened these, no refused head is such a call. Calls that it has reset count until
   * node:http2 has closed them, so a client whose calls time out opens too many, too.
   */
  #mayHaveRefusedCalls(isEarly: boolean): boolean {
    return (isEarly && this.#calls >= MAX_STREAMS) || this.#resets >= MAX_STREAMS
  }

  #countRefusedCalls(bytes: number, nowMs: number): void {
    const result = this.#refusedCalls.count(clientOf(this.#ip), bytes, nowMs)
    if (result === 'flood') this.#flooded()
    else if (result === 'too-much') this.destroy()
  }

  #resetsTooMany(): void {
    if (this.#session.destroyed) return
    const nowMs = performance.now()
    if (this.#refusedCalls.countResetting(clientOf(this.#ip), nowMs - this.#beganMs, nowMs)) this.#flooded()
    else this.destroy()
  }

  #flooded(): void {
    this.#bar(clientOf(this.#ip))
    this.destroy()
  }

  #countPart(bytes: number): void {
    this.#otherFrames.countPart(bytes)
    this.#pacedCalls.countPart(bytes)
  }

  #open(stream: ServerHttp2Stream, context: ExchangeContext): Exchange {
    const exchange = new Exchange(stream, context)
    this.#calls++
    this.#exchanges.add(exchange)
    this.#head.arrived(stream)
    this.#smallParts.countIn(stream)
    stream.once('close', () => {
      this.#exchanges.delete(exchange)
      if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) this.#resets++
      exchange.closed()
      releaseClosed(stream)
    })
    this.#pacedCalls.count()
    this.#countCall()
    return exchange
  }

  /** Closes the connection. What has arrived is skipped, since the session closes its streams first. */
  destroy(): void {
    this.#session.destroy()
    this.#socket.destroy()
  }
}
