import type { FastifyRequest } from 'fastify'
import { Admission } from '../access/admission.ts'
import { type TaskQueue, waitForTurn } from '../connections/wait-for-turn.ts'
import { draining } from '../lib/draining.ts'
import { Turns } from '../lib/turns.ts'
import { connectionEnded } from './arriving-bodies.ts'

/** Entries that are read in one turn, which takes the process about two milliseconds. */
export const ENTRIES_PER_PART = 128

/** Entries a second of all reads, after a burst: checks have the rest of the process's time. */
const MAX_ENTRIES_PER_SECOND = 20_000
const PACE = { perSecond: MAX_ENTRIES_PER_SECOND / ENTRIES_PER_PART, burst: 16 }

/** Reads of a kind at once. More would hold more memory and end no sooner. */
const MAX_AT_ONCE = 2

/** People wait for a list, and machines for an export, so a list waits for no export. */
export type LongReadKind = 'list' | 'export'

type ReadRequest = Pick<FastifyRequest, 'socket' | 'ip'>

interface LongRead {
  readonly kind: LongReadKind
  readonly request: ReadRequest
  /** Whether the response has begun, so that it can no longer be refused. Default: it has not. */
  readonly isBegun?: boolean
}

/**
 * Reads of many entries of a store. Few run at once; for the others, clients take turns. A read asks for each of its parts, which all
 * reads together get at a pace. Between two parts, the process does other work.
 */
export class LongReads {
  readonly #reads: Readonly<Record<LongReadKind, Admission>> = {
    list: new Admission({ maxWeight: MAX_AT_ONCE }),
    export: new Admission({ maxWeight: MAX_AT_ONCE }),
  }
  readonly #parts = new Turns(PACE)
  readonly #drain: AbortSignal
  /** Refuses each read that waits, if its response has not begun. */
  readonly #refusals = new Set<() => void>()

  /** @param drain aborts when the process begins to drain; reads that wait then are refused, since they would delay its stop */
  constructor(drain: AbortSignal) {
    this.#drain = drain
    drain.addEventListener('abort', () => {
      for (const refuse of this.#refusals) refuse()
    })
  }

  /**
   * Runs a read when it is its turn.
   * @param run waits for `nextPart` before it reads a part
   * @throws {Problem} `draining`; another one if the connection closes before the last part
   */
  async read<T>(
    { kind, request, isBegun = false }: LongRead,
    run: (nextPart: () => Promise<void>) => Promise<T>,
  ): Promise<T> {
    const reads = this.#reads[kind]
    if (isBegun) await turnIn(reads, request)
    else await this.#turnUnlessDraining(reads, request)
    try {
      return await run(() => turnIn(this.#parts, request))
    } finally {
      reads.end(1)
    }
  }

  async #turnUnlessDraining(reads: Admission, request: ReadRequest): Promise<void> {
    if (!this.#drain.aborted) await this.#refusableTurn(reads, request)
    else if (!reads.tryBegin(1)) throw draining()
  }

  #refusableTurn(reads: Admission, request: ReadRequest): Promise<void> {
    let refuse = () => {}
    const turn = new Promise<void>((run, reject) => {
      const withdraw = waitForTurn(reads, request, { run, gone: () => reject(connectionEnded()) })
      refuse = () => {
        withdraw()
        reject(draining())
      }
    })
    this.#refusals.add(refuse)
    return turn.finally(() => this.#refusals.delete(refuse))
  }
}

function turnIn(queue: TaskQueue, request: ReadRequest): Promise<void> {
  return new Promise((run, reject) => {
    waitForTurn(queue, request, { run, gone: () => reject(connectionEnded()) })
  })
}
