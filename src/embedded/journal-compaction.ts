import { isDeepStrictEqual } from 'node:util'
import { withDeadline } from '../lib/deadline.ts'
import type { Logger } from '../observability/logger.ts'
import { compactedPositions, type HeldLog } from './held-log.ts'
import type { Journal } from './journal.ts'
import type { CompactionJob } from './write-compacted.ts'

/** A journal of up to this many entries compacts in a moment, so it is compacted whenever possible and before a stop. */
const SMALL_JOURNAL_ENTRIES = 10_000

interface JournalCompactionOptions {
  /** See `writeCompacted`. Rejects once the signal is aborted. */
  writeCompacted(job: CompactionJob, signal: AbortSignal): Promise<number>
  readonly logger: Logger
}

/** Compacts the journal after the logs in the store were compacted, in the background. */
export class JournalCompaction {
  readonly #journal: Journal
  readonly #logs: readonly HeldLog[]
  readonly #options: JournalCompactionOptions
  readonly #abort = new AbortController()
  /** Whether the start compacted the logs. The journal does not say so, and with other settings, another start might not fit. */
  #isDue: boolean
  #underWay: Promise<void> | undefined

  constructor(journal: Journal, logs: readonly HeldLog[], options: JournalCompactionOptions) {
    this.#journal = journal
    this.#logs = logs
    this.#options = options
    this.#isDue = !isDeepStrictEqual(compactedPositions(logs), journal.header.compactedTo)
  }

  get isSmall(): boolean {
    return this.#journal.entryCount <= SMALL_JOURNAL_ENTRIES
  }

  /** Waits for a compaction that is under way, and gives it up after `limitMs`. The journal stays as it is, and holds the same. */
  async end(limitMs: number): Promise<void> {
    if (this.#underWay === undefined) return
    await withDeadline(this.#underWay, limitMs).catch(() => this.#abort.abort())
    await this.#underWay
  }

  /** Starts a compaction if there is enough to compact, and none is under way. */
  start(): void {
    this.#underWay ??= this.#compact()
      .catch(err => this.#reportFailure(err))
      .finally(() => {
        this.#underWay = undefined
      })
  }

  #reportFailure(err: unknown): void {
    const { logger } = this.#options
    if (this.#abort.signal.aborted) logger.info('the stop does not wait for the compaction of the journal')
    else logger.warn({ err }, 'the journal could not be compacted; it will be retried')
  }

  /**
   * Compacts a large journal once half of it is compacted in the store, so that each event is rewritten about once. Until then it
   * holds more than the store, and a start compacts it while it is replayed.
   */
  async #compact(): Promise<void> {
    const { header, entryCount: before } = this.#journal
    const compactedTo = compactedPositions(this.#logs)
    if (compactedTo === undefined) return
    const compacted = compactedTo.reduce((sum, position, i) => sum + position - (header.compactedTo[i] ?? 0), 0)
    const isEnough = 2 * compacted >= before || this.isSmall || this.#isDue
    if (compacted === 0 || !isEnough) return
    const write = (job: CompactionJob) => this.#options.writeCompacted(job, this.#abort.signal)
    await this.#journal.compact({ ...header, compactedTo }, write)
    this.#isDue = false
    this.#options.logger.info({ before, entries: this.#journal.entryCount }, 'the journal was compacted')
  }
}
