import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Logger } from '../observability/logger.ts'
import type { InProcessConnection } from './in-process-connection.ts'
import type { LogEnd } from './log-end.ts'
import { type ReplayBatch, ReplayBatches, type ReplaySource } from './replay-batches.ts'

const PROGRESS_INTERVAL_MS = 2_000

/** A smaller journal is read before a thread has started. */
const LARGE_JOURNAL_EVENTS = 10_000

interface ReplayOptions {
  /** Events of the journal. */
  readonly entryCount: number
  /** Prepares the batches of a large journal while the store takes others. */
  batchesInThread(source: ReplaySource): AsyncIterable<ReplayBatch>
  readonly logger: Logger
}

/**
 * Fills an empty store from the journal. Resolves with the end of each partition's log.
 * @throws {CannotStart} at a line that is damaged or cannot follow those before it
 */
export async function fillFromJournal(
  store: InProcessConnection,
  source: ReplaySource,
  { entryCount, batchesInThread, logger }: ReplayOptions,
): Promise<LogEnd[]> {
  const startedAt = performance.now()
  let reportedAt = startedAt
  let ends: readonly LogEnd[] = []
  const batches = entryCount < LARGE_JOURNAL_EVENTS ? new ReplayBatches(source) : batchesInThread(source)
  for await (const batch of batches) {
    store.send(batch)
    ends = batch.ends
    if (performance.now() - reportedAt >= PROGRESS_INTERVAL_MS) {
      reportedAt = performance.now()
      logger.info({ events: batch.events, of: entryCount }, 'the journal is being replayed')
    }
    await nextTurn()
  }
  const ms = Math.round(performance.now() - startedAt)
  if (entryCount > 0) logger.info({ events: entryCount, ms }, 'the journal was replayed')
  return [...ends]
}
