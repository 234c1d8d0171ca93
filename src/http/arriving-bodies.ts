import type { FastifyRequest } from 'fastify'
import { HeldBytes } from '../connections/held-bytes.ts'
import { BYTES_PER_TURN, PacedReading, readingTurns } from '../connections/paced-reading.ts'
import { waitForTurn } from '../connections/wait-for-turn.ts'
import { clientOf } from '../lib/client-of.ts'
import { Problem } from '../lib/errors.ts'
import { Turns } from '../lib/turns.ts'
import { draining } from './draining.ts'

/** Memory of an unfinished request besides its body: its head and its objects. */
const BYTES_PER_REQUEST = 4_096

const MIN_CAPACITY = 1_024
const EMPTY = Buffer.alloc(0)

/** Reads a body as it arrives. */
export interface BodyScan {
  /** Members and items so far. */
  readonly elements: number
  /** The problem of the body up to and including these bytes. */
  problemOf(bytes: Buffer): Problem | undefined
}

/** Refuses a body as it arrives. */
export interface BodyRules {
  readonly maxBytes: number
  readonly scan: BodyScan
}

/** More than a check has. A larger body is handed over in its turn, since to parse, decide or refuse it can take a millisecond. */
const SMALL_BODY_BYTES = 8 * 1024

/** As many as a batch of a hundred checks with all members has. With short keys, a body of few bytes can have seven times as many. */
const SMALL_BODY_ELEMENTS = 401

/** Of bodies of up to 64 KiB: they share the time with others, since a batch of a thousand checks is as large. */
const MEDIUM_BODY_PACE = { restPerTaskTime: 1 }

/** Larger than a thousand checks with the longest keys. Parsing such a body can take 40 ms, so it must be rare. */
const HUGE_BODY_BYTES = 2 * 1024 * 1024
const HUGE_BODY_PACE = { perSecond: 0.25, burst: 1 }

/** How long a complete body may wait to be handed over once the process drains, in ms. */
const MAX_WAIT_WHILE_DRAINING_MS = 500

interface ArrivingBodiesOptions {
  /** Of all unfinished bodies. */
  readonly maxBytes: number
  /** The turns of bodies that nobody reads. */
  readonly discarding: Turns
  /** Aborts when the process begins to drain; bodies that wait for long then are refused, since they would delay its stop. */
  readonly drain: AbortSignal
}

export type BodyRead = (err: Error | null, bytes?: Buffer) => void

type BodyRequest = Pick<FastifyRequest, 'raw' | 'socket' | 'ip'>

/**
 * Reads whole bodies, and bounds the memory of all unfinished ones. Large bodies take turns by client. The body of a check arrives
 * with its head; it is never held and waits for no turn.
 */
export class ArrivingBodies {
  readonly #held: HeldBytes
  /** Bodies that are read in part, and wait for their next turn. */
  readonly #reading = readingTurns()
  /** Refused bodies, which are read to their end and delay no other. */
  readonly #discarding: Turns
  /** Complete bodies that wait to be handed over. */
  readonly #handingOverMedium = new Turns(MEDIUM_BODY_PACE)
  readonly #handingOver = new Turns()
  readonly #handingOverHuge = new Turns(HUGE_BODY_PACE)

  constructor({ maxBytes, discarding, drain }: ArrivingBodiesOptions) {
    this.#held = new HeldBytes(maxBytes)
    this.#discarding = discarding
    drain.addEventListener('abort', () => {
      setInterval(() => this.#refuseWaiting(), MAX_WAIT_WHILE_DRAINING_MS).unref()
    })
  }

  /** Reads a body. */
  read(request: BodyRequest, rules: BodyRules, done: BodyRead): void {
    const { raw } = request
    const { maxBytes, scan } = rules
    const announced = Number(raw.headers['content-length'])
    const reading = new PacedReading(raw, request)
    let bytes: Buffer = EMPTY
    let length = 0
    let problem: Problem | undefined
    /** The client that holds memory. */
    let holder: string | undefined
    let leaveQueue: (() => void) | undefined
    let isDone = false

    const finish: BodyRead = (err, body) => {
      if (isDone) return
      isDone = true
      bytes = EMPTY
      leaveQueue?.()
      if (holder !== undefined) this.#held.release(holder, refuse)
      done(err, body)
    }
    const refuse = () => finish(tooManyBodies())
    const hold = (heldBytes: number) => {
      holder ??= clientOf(request.ip)
      this.#held.hold(holder, refuse, BYTES_PER_REQUEST + heldBytes)
    }
    const onData = (chunk: Buffer) => {
      const start = length
      length += chunk.length
      const isRefused = isDone || problem !== undefined
      if (!reading.take(chunk.length, isRefused ? this.#discarding : this.#reading) || isDone) return
      problem ??= scan.problemOf(chunk)
      if (length > maxBytes) finish(tooLarge(maxBytes))
      else if (problem !== undefined) {
        bytes = EMPTY
        hold(0)
      } else if (chunk.length === announced) bytes = chunk
      else {
        bytes = withRoom(bytes, length, maxBytes)
        chunk.copy(bytes, start)
        hold(bytes.length)
      }
    }
    const handOver = () => finish(null, bytes.subarray(0, length))
    // A refused body is read to its end, since a client that is still sending may not see the response.
    const onEnd = () => {
      if (isDone) return
      if (problem !== undefined) finish(problem)
      else if (length <= SMALL_BODY_BYTES && scan.elements <= SMALL_BODY_ELEMENTS) handOver()
      else {
        leaveQueue = waitForTurn(this.#turnsFor(length), request, {
          run: handOver,
          drop: () => finish(draining()),
          gone: () => finish(connectionEnded()),
        })
      }
    }
    if (announced > maxBytes) finish(tooLarge(maxBytes))
    raw.on('data', onData).on('end', onEnd).on('error', finish)
  }

  #refuseWaiting(): void {
    for (const turns of [this.#handingOverMedium, this.#handingOver, this.#handingOverHuge]) turns.dropAll()
  }

  #turnsFor(length: number): Turns {
    if (length <= BYTES_PER_TURN) return this.#handingOverMedium
    return length <= HUGE_BODY_BYTES ? this.#handingOver : this.#handingOverHuge
  }
}

/** Copies the bytes to a buffer of at least `length` bytes and at most twice as many. */
function withRoom(bytes: Buffer, length: number, maxLength: number): Buffer {
  if (length <= bytes.length) return bytes
  const larger = Buffer.allocUnsafeSlow(Math.min(maxLength, Math.max(2 * bytes.length, length, MIN_CAPACITY)))
  bytes.copy(larger)
  return larger
}

function tooLarge(maxBytes: number): Problem {
  return new Problem('body-too-large', `the body has more than the ${maxBytes} bytes allowed here`)
}

function tooManyBodies(): Problem {
  return new Problem('overloaded', 'the process holds too many incomplete bodies')
}

/** The problem of a request whose connection ended before its response began. Nobody reads the response. */
export function connectionEnded(): Problem {
  return new Problem('body-malformed', 'the connection ended before the response')
}
