import type { FastifyRequest } from 'fastify'
import type { LargeRequests } from '../connections/large-requests.ts'
import { PacedReading, readingTurns } from '../connections/paced-reading.ts'
import type { SharedBound } from '../connections/shared-bound.ts'
import { SocketInput } from '../connections/socket-input.ts'
import { waitForTurn } from '../connections/wait-for-turn.ts'
import { clientOf } from '../lib/client-of.ts'
import { draining } from '../lib/draining.ts'
import { Problem } from '../lib/errors.ts'
import type { Turns } from '../lib/turns.ts'
import { withRoom } from '../lib/with-room.ts'

/** Memory of an unfinished request besides its body: its head and its objects. */
const BYTES_PER_REQUEST = 4_096

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

interface ArrivingBodiesOptions {
  /** That all clients share. */
  readonly memory: SharedBound
  /** The turns of bodies that nobody reads. */
  readonly discarding: Turns
  /** The turns of complete bodies that wait to be handed over. */
  readonly largeRequests: LargeRequests
}

export type BodyRead = (err: Error | null, bytes?: Buffer) => void

type BodyRequest = Pick<FastifyRequest, 'raw' | 'socket' | 'ip'>

/**
 * Reads whole bodies, and bounds the memory of all unfinished ones. Large bodies take turns by client. The body of a check arrives
 * with its head; it is never held and waits for no turn.
 */
export class ArrivingBodies {
  readonly #memory: SharedBound
  /** Bodies that are read in part, and wait for their next turn. */
  readonly #reading = readingTurns()
  /** Refused bodies, which are read to their end and delay no other. */
  readonly #discarding: Turns
  readonly #largeRequests: LargeRequests

  constructor({ memory, discarding, largeRequests }: ArrivingBodiesOptions) {
    this.#memory = memory
    this.#discarding = discarding
    this.#largeRequests = largeRequests
  }

  /** Reads a body. */
  read(request: BodyRequest, rules: BodyRules, done: BodyRead): void {
    const { raw } = request
    const { maxBytes, scan } = rules
    const announced = Number(raw.headers['content-length'])
    const reading = new PacedReading(new SocketInput(request.socket), request)
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
      if (holder !== undefined) this.#memory.release(holder, refuse)
      done(err, body)
    }
    const refuse = () => finish(tooManyBodies())
    const hold = (heldBytes: number) => {
      holder ??= clientOf(request.ip)
      this.#memory.hold(holder, refuse, BYTES_PER_REQUEST + heldBytes)
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
      const turns = this.#largeRequests.turnsFor(length, () => scan.elements)
      if (problem !== undefined) finish(problem)
      else if (turns === undefined) handOver()
      else {
        leaveQueue = waitForTurn(turns, request, {
          run: handOver,
          drop: () => finish(draining()),
          gone: () => finish(connectionEnded()),
        })
      }
    }
    if (announced > maxBytes) finish(tooLarge(maxBytes))
    raw.on('data', onData).on('end', onEnd).on('error', finish)
  }
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
