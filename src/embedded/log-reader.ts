import type { HeldLog, LogBeginning } from './held-log.ts'
import type { LogEnd } from './log-end.ts'

/** One more than a read returns: each read starts with the last event of the previous one. */
const EVENTS_PER_READ = 501

/** Reads a whole partition of the store in pieces, between which the store does other work. */
export class LogReader {
  readonly beginning: LogBeginning
  readonly #log: HeldLog
  #end: LogEnd

  constructor(log: HeldLog) {
    this.#log = log
    this.beginning = log.readBeginning()
    this.#end = { position: this.beginning.compactedTo, event: null }
  }

  /** The position up to which it has read. */
  get end(): LogEnd {
    return this.#end
  }

  /** Lines of a journal. @throws if the store is compacted or emptied meanwhile */
  *everything(): Generator<readonly string[]> {
    yield* this.#log.readCompacted()
    const { identity, compactedTo } = this.#log.readBeginning()
    if (identity !== this.beginning.identity || compactedTo !== this.beginning.compactedTo) throw changedMeanwhile()
    yield* this.events()
  }

  /** The events that are not read yet. @throws as `everything` */
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
  return new Error('the store was compacted or emptied while it was read; this is retried')
}
