import type { HeldLog, LogBeginning } from './held-log.ts'
import type { LogEnd } from './replay.ts'

/** One more than is read at once: a reading begins with the last event of the one before it. */
const EVENTS_PER_READ = 501

/** Reads everything that a partition of the store holds, in pieces, between which the store does other work. */
export class LogReader {
  readonly beginning: LogBeginning
  readonly #log: HeldLog
  #end: LogEnd

  constructor(log: HeldLog) {
    this.#log = log
    this.beginning = log.readBeginning()
    this.#end = { position: this.beginning.compactedTo, event: null }
  }

  /** How far it has read. */
  get end(): LogEnd {
    return this.#end
  }

  /** As lines of a journal. @throws when the store was compacted or emptied meanwhile */
  *everything(): Generator<readonly string[]> {
    yield* this.#log.readCompacted()
    const { identity, compactedTo } = this.#log.readBeginning()
    if (identity !== this.beginning.identity || compactedTo !== this.beginning.compactedTo) throw changedMeanwhile()
    yield* this.events()
  }

  /** The events that were not read before. @throws as `everything` */
  *events(): Generator<readonly string[]> {
    for (;;) {
      const added = this.#log.readAfter(this.#end, EVENTS_PER_READ)
      if (added === undefined) throw changedMeanwhile()
      if (added.events.length === 0) return
      this.#end = added.end
      yield added.events
    }
  }
}

function changedMeanwhile(): Error {
  return new Error('the store was compacted or emptied while it was read; this is tried again')
}
