import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Logger } from '../observability/logger.ts'
import { CannotStart } from '../processes/supervised-process.ts'
import type { InProcessConnection } from './in-process-connection.ts'
import type { LogEnd } from './log-end.ts'
import { type ReplayBatch, ReplayBatches, type ReplaySource } from './replay-batches.ts'
import { ReplayedCompaction } from './replayed-compaction.ts'
import { StartProgress } from './start-progress.ts'

/** A smaller journal is read before a thread has started. */
const LARGE_JOURNAL_EVENTS = 10_000

interface ReplayOptions {
  /** Events to keep of each partition; all if absent. */
  readonly keep?: number | undefined
  /** Events of the journal. */
  readonly entryCount: number
  /** Prepares the batches of a large journal while the store takes others. */
  batchesInThread(source: ReplaySource): AsyncIterable<ReplayBatch>
  readonly logger: Logger
}

/**
 * Fills an empty store from the journal. Resolves with the end of each partition's log.
 * @throws {CannotStart} at a line that is damaged or cannot follow those before it, or if the store has not enough memory
 */
export async function fillFromJournal(
  store: InProcessConnection,
  source: ReplaySource,
  { entryCount, keep, batchesInThread, logger }: ReplayOptions,
): Promise<LogEnd[]> {
  const progress = new StartProgress(logger, 'the journal is being replayed')
  const compaction = new ReplayedCompaction(store, source, keep)
  let ends: readonly LogEnd[] = []
  const batches = entryCount < LARGE_JOURNAL_EVENTS ? new ReplayBatches(source) : batchesInThread(source)
  for await (const batch of batches) {
    try {
      store.send(batch)
      await compaction.compact(batch)
    } catch (err) {
      throw isOutOfMemory(err) ? doesNotFit(source.path, batch.events, entryCount) : err
    }
    ends = batch.ends
    progress.report({ events: batch.events, of: entryCount })
    await nextTurn()
  }
  if (entryCount > 0) logger.info({ events: entryCount, ms: progress.ms }, 'the journal was replayed')
  return [...ends]
}

function isOutOfMemory(err: unknown): boolean {
  return err instanceof Error && err.message.startsWith('OOM ')
}

function doesNotFit(path: string, events: number, entryCount: number): CannotStart {
  return new CannotStart(
    `${path} does not fit into the memory of the embedded store, which is full after ${events} of ${entryCount} events; ` +
      'set CONFIG_LOG_KEEP so that the start keeps fewer events of each partition, or restore a smaller backup of the file',
  )
}
