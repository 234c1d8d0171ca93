import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { LargeRequests } from '../connections/large-requests.ts'
import { BYTES_PER_TURN, PacedReading } from '../connections/paced-reading.ts'
import { waitForTurn } from '../connections/wait-for-turn.ts'
import type { Turns } from '../lib/turns.ts'
import type { Call, GrpcObserver, Method, Methods, Responder } from './call.ts'
import { CallMemory, type MemoryOwner } from './call-memory.ts'
import { CallResponse } from './call-response.ts'
import { type HeadFault, headFault } from './head-fault.ts'
import { ArrivingMessage, MAX_MESSAGE_BYTES } from './message-frames.ts'
import { OK, type Status } from './status.ts'
import { malformedTimeout, timeoutMs } from './timeout.ts'

const DRAINING: Status = { name: 'UNAVAILABLE', message: 'the service is draining' }

/** How long the request of a call may take that was answered before it has arrived, in ms. */
const MAX_REST_MS = 5_000

/** The largest such request that is read, in bytes. What arrives after a call is closed looks like a flood, so most may send everything. */
const MAX_REST_BYTES = 8 * MAX_MESSAGE_BYTES

/** What an exchange needs of its server. */
export interface ExchangeContext extends MemoryOwner {
  readonly methods: Methods
  /** Refuses the calls of other methods. */
  readonly unknownMethod: Method
  readonly observer: GrpcObserver
  readonly socket: Socket
  readonly ip: string | undefined
  /** The turns of requests that are read in part. */
  readonly reading: Turns
  readonly largeRequests: LargeRequests
  /** Reports a bug. Returns the status that the client gets, which has no details. */
  failed(err: unknown): Status
}

/** One call: its request, and its response. */
export class Exchange implements Responder {
  /** By `performance.now()`. */
  readonly startMs = performance.now()
  readonly stream: ServerHttp2Stream
  readonly #context: ExchangeContext
  readonly #response: CallResponse
  readonly #memory: CallMemory
  readonly #message = new ArrivingMessage()
  #method: Method
  /** Until its message has arrived: a call that stays open needs no metadata. */
  #asked: Call | undefined
  #hasEnded = false
  /** Unless the message arrives at once. */
  #reading: PacedReading | undefined
  #leaveQueue: (() => void) | undefined

  constructor(stream: ServerHttp2Stream, context: ExchangeContext) {
    this.stream = stream
    this.#response = new CallResponse(stream)
    this.#memory = new CallMemory(context)
    this.#context = context
    this.#method = context.unknownMethod
    // An error closes the stream.
    stream.on('error', () => undefined)
  }

  /** Whether the client has still to send the rest of the request, or to read the response. */
  get waitsForClient(): boolean {
    return this.#hasEnded || !this.stream.readableEnded
  }

  /**
   * Counts the memory of a call that waits for its client. Ends a call that was answered, and whose request does not end.
   * @param headBytes what the head of a request can have
   */
  look(nowMs: number, headBytes: number): void {
    this.#memory.inspect(this.stream, headBytes, this.#message.heldBytes)
    if (this.#hasEnded && !this.stream.readableEnded && nowMs - this.startMs >= MAX_REST_MS) this.#closeUnread()
  }

  /** The stream has closed. */
  closed(): void {
    this.#leaveQueue?.()
    this.#reading?.withdraw()
    this.#memory.release()
  }

  /** Ends a call that has been answered in part, and would continue. */
  endStreaming(): void {
    if (this.#response.hasBegun) this.end(DRAINING)
  }

  begin(headers: IncomingHttpHeaders): void {
    const fault = headFault(headers)
    this.#method = this.#context.methods.get(headers[':path'] as string) ?? this.#context.unknownMethod
    const timeout = headers['grpc-timeout'] as string | undefined
    const waitsMs = timeout === undefined ? Number.POSITIVE_INFINITY : timeoutMs(timeout)
    if (fault !== undefined) this.#refuseRequest(fault)
    else if (waitsMs === undefined) this.end(malformedTimeout(timeout))
    else this.#admit(this.#call(headers, waitsMs))
  }

  send(message: Buffer): void {
    if (!this.#hasEnded && this.#response.send(message)) this.#memory.holdAnswer()
  }

  finish(message: Buffer): void {
    if (this.#hasEnded) return
    this.#ended(OK)
    this.#response.finish(message)
  }

  end(status: Status): void {
    if (this.#hasEnded) return
    this.#ended(status)
    this.#response.end(status)
    if (this.stream.readableFlowing === null && !this.stream.destroyed) this.#skipRequest()
  }

  onClosed(callback: () => void): void {
    this.stream.once('close', callback)
  }

  #ended({ name }: Status): void {
    this.#hasEnded = true
    this.#context.observer.callAnswered(this.#method.name, name)
  }

  #call(metadata: IncomingHttpHeaders, waitsMs: number): Call {
    const { socket, ip } = this.#context
    return { metadata, socket, ip, deadlineMs: this.startMs + waitsMs }
  }

  /**
   * Answers a request that is not a call, once it has arrived: until then, node:http2 refuses what violates HTTP/2. One that is large is
   * answered before.
   */
  #refuseRequest(fault: HeadFault): void {
    this.#skipRequest()
    this.stream.on('data', () => {
      if (this.#readBytes >= BYTES_PER_TURN) this.#refuse(fault)
    })
    this.stream.once('end', () => this.#refuse(fault))
  }

  #refuse(fault: HeadFault): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#response.refuse(fault)
  }

  #admit(call: Call): void {
    const admission = this.#method.admit?.(call)
    if (admission instanceof Promise) {
      admission.then(
        status => this.#admitted(status, call),
        err => this.end(this.#context.failed(err)),
      )
    } else this.#admitted(admission, call)
  }

  #admitted(status: Status | undefined, call: Call): void {
    if (status !== undefined) this.end(status)
    else if (!this.stream.destroyed) this.#read(call)
  }

  #read(call: Call): void {
    this.#asked = call
    this.stream.on('data', (chunk: Buffer) => {
      if (this.#hasEnded) return this.#skip(chunk.length)
      const fault = this.#message.add(chunk)
      if (fault !== undefined) this.end(fault)
      else if (!this.#message.isComplete) this.#readOn(chunk.length)
    })
    this.stream.on('end', () => this.#arrived())
  }

  #arrived(): void {
    const call = this.#asked
    this.#asked = undefined
    if (call === undefined || this.#hasEnded || this.stream.destroyed) return
    const message = this.#message.finish()
    if (Buffer.isBuffer(message)) this.#handOver(message, call)
    else this.end(message)
  }

  /** Reads a request whose message is not needed, since what arrives for a closed stream looks like a flood. */
  #skipRequest(): void {
    this.stream.on('data', ({ length }: Buffer) => this.#skip(length))
  }

  #skip(bytes: number): void {
    this.#readOn(bytes)
    if (this.#readBytes > MAX_REST_BYTES) this.#closeUnread()
  }

  get #readBytes(): number {
    return this.#reading?.bytes ?? 0
  }

  /** The client need not send the rest. A stream that is paused would not close. */
  #closeUnread(): void {
    if (this.stream.closed) return
    this.#reading?.withdraw()
    this.stream.resume()
    this.stream.close(constants.NGHTTP2_NO_ERROR)
  }

  /** Reads the next part of the message, in turns with others. */
  #readOn(bytes: number): void {
    this.#reading ??= new PacedReading(this.stream, this.#context)
    if (this.#reading.take(bytes, this.#context.reading)) this.#memory.holdRequest(this.#message.heldBytes)
  }

  /** Answers a message now, or a large one in its turn. */
  #handOver(message: Buffer, call: Call): void {
    const turns = this.#context.largeRequests.turnsFor(message.length, () => this.#method.countFields?.(message) ?? 0)
    const answer = () => {
      this.#memory.release()
      this.#answer(message, call)
    }
    if (turns === undefined) answer()
    else {
      this.#memory.holdRequest(message.length)
      this.#leaveQueue = waitForTurn(turns, this.#context, { run: answer, drop: () => this.end(DRAINING) })
    }
  }

  #answer(message: Buffer, call: Call): void {
    try {
      this.#method.answer(message, this, call)
    } catch (err) {
      this.end(this.#context.failed(err))
    }
  }
}
