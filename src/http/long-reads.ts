import type { FastifyRequest } from 'fastify'
import { Admission } from '../access/admission.ts'
import { type TaskQueue, waitForTurn } from '../connections/wait-for-turn.ts'
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

  /**
   * Runs a read when it is its turn.
   * @param run waits for `nextPart` before it reads a part
   * @throws {Problem} if the connection closes before the last part
   */
  async read<T>(
    kind: LongReadKind,
    request: ReadRequest,
    run: (nextPart: () => Promise<void>) => Promise<T>,
  ): Promise<T> {
    const reads = this.#reads[kind]
    await turnIn(reads, request)
    try {
      return await run(() => turnIn(this.#parts, request))
    } finally {
      reads.end(1)
    }
  }
}

function turnIn(queue: TaskQueue, request: ReadRequest): Promise<void> {
  return new Promise((run, reject) => {
    waitForTurn(queue, request, { run, gone: () => reject(connectionEnded()) })
  })
}
