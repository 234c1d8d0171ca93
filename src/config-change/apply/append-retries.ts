import { setTimeout as sleep } from 'node:timers/promises'
import type { ImportProgress, VersionMismatch } from '../ports.ts'
import { CommandFault } from './command-fault.ts'

/** Expected state that an append did not find: a key's version, or an import's progress. */
type Mismatch = VersionMismatch | { readonly expectedProgress: ImportProgress | undefined }

/** Consecutive attempts with the same mismatch; with the pauses, more than a second. */
const MAX_REPETITIONS = 20

/** Attempts without a pause: a single lost race is retried at once. */
const ATTEMPTS_WITHOUT_PAUSE = 3
const FIRST_PAUSE_MS = 10
const MAX_PAUSE_MS = 100

/**
 * Paces and bounds the attempts of one append.
 *
 * Versions and progress only grow. So an append that loses to another writer reads another state next time, and may lose any number
 * of times. A state that reads the same again and still does not match never will.
 */
export class AppendRetries {
  #attempts = 0
  #repetitions = 0
  #last: string | undefined

  /** Resolves when it is time to retry. @throws {CommandFault} if a retry cannot help */
  async pauseAfter(mismatch: Mismatch): Promise<void> {
    const found = JSON.stringify(mismatch)
    this.#repetitions = found === this.#last ? this.#repetitions + 1 : 0
    this.#last = found
    if (this.#repetitions >= MAX_REPETITIONS) throw faultOf(mismatch)
    const pauseMs = pauseBefore(++this.#attempts)
    if (pauseMs > 0) await sleep(pauseMs)
  }
}

/** A pause in ms that doubles, with jitter between half and all of it. */
function pauseBefore(attempt: number): number {
  if (attempt <= ATTEMPTS_WITHOUT_PAUSE) return 0
  const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (attempt - ATTEMPTS_WITHOUT_PAUSE - 1), MAX_PAUSE_MS)
  return pauseMs * (0.5 + Math.random() / 2)
}

function faultOf(mismatch: Mismatch): CommandFault {
  if ('expectedProgress' in mismatch) {
    return new CommandFault('the stored progress of the import is damaged; import the file again')
  }
  const { key, expectedVersion } = mismatch
  return new CommandFault(
    `the stored state of the policy "${key}" does not match its event log: it reads as version ${expectedVersion}, but ` +
      'changes of that version are refused; "throttler verify" examines it, and "throttler rebuild" repairs it',
  )
}
