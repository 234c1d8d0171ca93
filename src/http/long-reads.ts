import type { FastifyRequest } from 'fastify'
import { Admission } from '../access/admission.ts'
import type { SharedBound } from '../connections/shared-bound.ts'
import { type TaskQueue, waitForTurn } from '../connections/wait-for-turn.ts'
import { clientOf } from '../lib/client-of.ts'
import { draining } from '../lib/draining.ts'
import { Problem } from '../lib/errors.ts'
import { Turns } from '../lib/turns.ts'
import { connectionEnded } from './arriving-bodies.ts'

/** Entries that are read in one turn, which takes the process about two milliseconds. */
export const ENTRIES_PER_PART = 128

/** Entries a second of all reads, after a burst: checks have the rest of the process's time. */
const MAX_ENTRIES_PER_SECOND = 20_000
const PACE = { perSecond: MAX_ENTRIES_PER_SECOND / ENTRIES_PER_PART, burst: 16 }

/** Reads of a kind at once. More would hold more memory and end no sooner. */
const MAX_AT_ONCE = 2

/** Reads of a kind that may wait to begin. Each holds a request, and takes a part although its client may have left. */
const MAX_WAITING = 200

/** Memory of a read that has begun, besides what its client has not read. */
const BYTES_PER_READ = 16 * 1024

/** People wait for a list, and machines for an export, so a list waits for no export. */
export type LongReadKind = 'list' | 'export'

type ReadRequest = Pick<FastifyRequest, 'socket' | 'ip'>

interface LongReadOptions {
  readonly kind: LongReadKind
  readonly request: ReadRequest
}

/**
 * Reads of many entries of a store. Few run at once; for the others, clients take turns. A read asks for each of its parts, which all
 * reads together get at a pace. Between two parts, the process does other work.
 */
export class LongReads {
  readonly #reads: Readonly<Record<LongReadKind, Admission>> = {
    list: new Admission({ maxWeight: MAX_AT_ONCE, maxWaiting: MAX_WAITING }),
    export: new Admission({ maxWeight: MAX_AT_ONCE, maxWaiting: MAX_WAITING }),
  }
  readonly #parts = new Turns(PACE)
  readonly #closing: AbortSignal
  readonly #memory: SharedBound

  /**
   * @param closing aborts when the process is about to close; reads that wait then are refused, since they would delay its stop
   * @param memory that all clients share
   */
  constructor(closing: AbortSignal, memory: SharedBound) {
    this.#closing = closing
    this.#memory = memory
    closing.addEventListener('abort', () => {
      for (const reads of Object.values(this.#reads)) reads.dropAll()
    })
  }

  /**
   * Runs a read when it is its turn.
   * @param run waits for `nextPart` before it reads a part
   * @throws as `begin` and `nextPart`
   */
  async read<T>(options: LongReadOptions, run: (nextPart: () => Promise<void>) => Promise<T>): Promise<T> {
    const read = await this.begin(options)
    try {
      return await run(() => read.nextPart())
    } finally {
      read.end()
    }
  }

  /**
   * Resolves when it is the turn of a read. The caller ends it.
   * @throws {Problem} `overloaded`, `draining`; another one if the connection closes before
   */
  async begin({ kind, request }: LongReadOptions): Promise<LongRead> {
    const reads = this.#reads[kind]
    if (!this.#closing.aborted) await turnIn(reads, request, () => this.#refusal(kind))
    else if (!reads.tryBegin(1)) throw draining()
    return new LongRead({ request, parts: this.#parts, memory: this.#memory, leave: () => reads.end(1) })
  }

  #refusal(kind: LongReadKind): Problem {
    if (this.#closing.aborted) return draining()
    return new Problem('overloaded', `more than ${MAX_WAITING} ${kind}s wait for their turn; try again`)
  }
}

interface LongReadParts {
  readonly request: ReadRequest
  readonly parts: Turns
  readonly memory: SharedBound
  readonly leave: () => void
}

/** A read that has begun. It holds memory until its end, and disconnects its client if that is too much. */
export class LongRead {
  readonly #options: LongReadParts
  readonly #client: string
  readonly #disconnect: () => void
  #hasLeft = false

  constructor(options: LongReadParts) {
    const { request, memory } = options
    this.#options = options
    this.#client = clientOf(request.ip)
    this.#disconnect = () => void request.socket.destroy()
    memory.hold(this.#client, this.#disconnect, BYTES_PER_READ)
  }

  /**
   * Resolves when the next part may be read.
   * @throws {Problem} if the connection closes before
   */
  nextPart(): Promise<void> {
    return turnIn(this.#options.parts, this.#options.request)
  }

  /**
   * Lets the next read begin, while this one continues. Each part of this one still waits for a turn.
   */
  leave(): void {
    if (this.#hasLeft) return
    this.#hasLeft = true
    this.#options.leave()
  }

  end(): void {
    this.leave()
    this.#options.memory.release(this.#client, this.#disconnect)
  }
}

function turnIn(queue: TaskQueue, request: ReadRequest, refusal?: () => Problem): Promise<void> {
  return new Promise((run, reject) => {
    waitForTurn(queue, request, { run, drop: () => reject(refusal?.()), gone: () => reject(connectionEnded()) })
  })
}
