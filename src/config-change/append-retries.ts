import { setTimeout as sleep } from 'node:timers/promises'
import { CommandFault } from './command-fault.ts'
import type { ImportProgress, VersionMismatch } from './ports.ts'

/** What an append found other than expected: a key's version, or an import's progress. */
type Mismatch = VersionMismatch | { readonly expectedProgress: ImportProgress | undefined }

/** How often in a row an append may find the same mismatch: with the pauses, more than a second. */
const MAX_REPETITIONS = 20

/** Whoever meets another writer now and then retries at once. */
const ATTEMPTS_WITHOUT_PAUSE = 3
const FIRST_PAUSE_MS = 10
const LONGEST_PAUSE_MS = 100

/**
 * The pauses between the attempts of one append, and their end.
 *
 * Versions and progress only grow. An append that loses to another writer therefore finds another state when it reads again, and
 * may lose as often as it has to. Only a state that reads as before, and still does not match, never will.
 */
export class AppendRetries {
  #attempts = 0
  #repetitions = 0
  #last: string | undefined

  /** Resolves when it is time to retry. @throws {CommandFault} when that cannot help */
  async pauseAfter(mismatch: Mismatch): Promise<void> {
    const found = JSON.stringify(mismatch)
    this.#repetitions = found === this.#last ? this.#repetitions + 1 : 0
    this.#last = found
    if (this.#repetitions >= MAX_REPETITIONS) throw faultOf(mismatch)
    const pauseMs = pauseBefore(++this.#attempts)
    if (pauseMs > 0) await sleep(pauseMs)
  }
}

/** In ms, between half and all of a pause that doubles. */
function pauseBefore(attempt: number): number {
  if (attempt <= ATTEMPTS_WITHOUT_PAUSE) return 0
  const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (attempt - ATTEMPTS_WITHOUT_PAUSE - 1), LONGEST_PAUSE_MS)
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
