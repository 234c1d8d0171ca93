import type { IncomingMessage } from 'node:http'
import { disconnect } from '../connections/disconnect.ts'
import { Problem } from '../lib/errors.ts'
import { Turns } from './turns.ts'

/** Memory of an unfinished request besides its body: its head and its objects. */
const BYTES_PER_REQUEST = 4_096

const MIN_CAPACITY = 1_024
const EMPTY = Buffer.alloc(0)

/** Minimum average size of chunks, for a body of many chunks: a chunk costs as much time as a kilobyte. */
const MAX_SMALL_CHUNKS = 1_000
const MIN_CHUNK_BYTES = 64

/** Refuses a body as it arrives. */
export interface BodyRules {
  readonly maxBytes: number
  /** The problem of the body up to and including these bytes. */
  problemOf(bytes: Buffer): Problem | undefined
}

/** Bytes that are read of one body in a turn of the event loop. Handling a larger body takes milliseconds. */
const LARGE_BODY_BYTES = 64 * 1024

/** 32 MB a second of all large bodies, after a burst of 4 MB: more than they need, and a small part of the time of a process. */
const READING_PACE = { perSecond: 500, burst: 64 }

/** Larger than a thousand checks with the longest keys. Parsing such a body can take 40 ms, so it must be rare. */
const HUGE_BODY_BYTES = 2 * 1024 * 1024
const HUGE_BODY_PACE = { perSecond: 0.25, burst: 1 }

export type BodyRead = (err: Error | null, bytes?: Buffer) => void

/**
 * Reads whole bodies, and bounds the memory of all unfinished ones. Over budget, the oldest is refused: a well-behaved client has
 * sent its own long before. The body of a check arrives with its head and is never held.
 */
export class ArrivingBodies {
  readonly #maxBytes: number
  /** Bodies that are read in part, and wait for their next turn. */
  readonly #reading = new Turns(READING_PACE)
  /** Complete bodies that wait to be handed over. */
  readonly #handingOver = new Turns()
  readonly #handingOverHuge = new Turns(HUGE_BODY_PACE)
  /** Bytes of each unfinished body, by the function that refuses it, oldest first. */
  readonly #held = new Map<(problem: Problem) => void, number>()
  #heldBytes = 0

  /** @param maxBytes of all unfinished bodies */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Reads a body. Large ones are handed over in turns. */
  read(request: IncomingMessage, rules: BodyRules, done: BodyRead): void {
    const { maxBytes } = rules
    const announced = Number(request.headers['content-length'])
    let bytes: Buffer = EMPTY
    let length = 0
    let chunks = 0
    let pauseAfter = LARGE_BODY_BYTES
    let problem: Problem | undefined
    let isDone = false

    const finish: BodyRead = (err, body) => {
      if (isDone) return
      isDone = true
      bytes = EMPTY
      if (this.#held.has(finish)) this.#hold(finish, 0)
      done(err, body)
    }
    const onData = (chunk: Buffer) => {
      const start = length
      length += chunk.length
      chunks++
      if (chunks > MAX_SMALL_CHUNKS && length < chunks * MIN_CHUNK_BYTES) {
        disconnect(request.socket)
        return
      }
      if (length >= pauseAfter) {
        pauseAfter = length + LARGE_BODY_BYTES
        this.#pauseForTurn(request)
      }
      if (isDone) return
      problem ??= rules.problemOf(chunk)
      if (length > maxBytes) finish(tooLarge(maxBytes))
      else if (problem !== undefined) {
        bytes = EMPTY
        this.#hold(finish, BYTES_PER_REQUEST)
      } else if (chunk.length === announced) bytes = chunk
      else {
        bytes = withRoom(bytes, length, maxBytes)
        chunk.copy(bytes, start)
        this.#hold(finish, BYTES_PER_REQUEST + bytes.length)
      }
    }
    const handOver = () => finish(null, bytes.subarray(0, length))
    // A refused body is read to its end, since a client that is still sending may not see the response.
    const onEnd = () => {
      if (problem !== undefined) finish(problem)
      else if (length <= LARGE_BODY_BYTES) handOver()
      else if (length <= HUGE_BODY_BYTES) this.#handingOver.add(handOver)
      else this.#handingOverHuge.add(handOver)
    }
    if (announced > maxBytes) finish(tooLarge(maxBytes))
    request.on('data', onData).on('end', onEnd).on('error', finish)
  }

  /**
   * Otherwise Node reads a socket until it is empty, which can be megabytes in one turn of the event loop, and all other sockets in
   * the same turn, while it accepts only one new connection in each.
   */
  #pauseForTurn(request: IncomingMessage): void {
    request.pause()
    this.#reading.add(() => request.resume())
  }

  #hold(refuse: (problem: Problem) => void, bytes: number): void {
    this.#heldBytes += bytes - (this.#held.get(refuse) ?? 0)
    if (bytes === 0) this.#held.delete(refuse)
    else this.#held.set(refuse, bytes)
    for (const refuseOldest of this.#held.keys()) {
      if (this.#heldBytes <= this.#maxBytes) return
      refuseOldest(new Problem('overloaded', 'the process holds too many incomplete bodies'))
    }
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
