import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Logger } from '../observability/logger.ts'
import type { InProcessConnection } from './in-process-connection.ts'
import type { LogEnd } from './log-end.ts'
import { type ReplayBatch, ReplayBatches, type ReplaySource } from './replay-batches.ts'
import { StartProgress } from './start-progress.ts'

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
  const progress = new StartProgress(logger, 'the journal is being replayed')
  let ends: readonly LogEnd[] = []
  const batches = entryCount < LARGE_JOURNAL_EVENTS ? new ReplayBatches(source) : batchesInThread(source)
  for await (const batch of batches) {
    store.send(batch)
    ends = batch.ends
    progress.report({ events: batch.events, of: entryCount })
    await nextTurn()
  }
  if (entryCount > 0) logger.info({ events: entryCount, ms: progress.ms }, 'the journal was replayed')
  return [...ends]
}
