import { isDeepStrictEqual } from 'node:util'
import { DamagedRecord } from '../damaged-store.ts'
import type { LogEntry, StoredEntry } from '../log-ports.ts'
import { type LogBounds, LogMovedOn, type MaintainedLog, type Progress } from './ports.ts'

/**
 * Compacts a partition's log to its last `keep` events. Of the others, the snapshot keeps the last one of each key. Each step is
 * atomic, so a compaction may be interrupted, and may run together with changes and other compactions.
 * @param keep at least 1, since a follower recognizes the log by its last event
 * @returns how many events were compacted
 * @throws {DamagedRecord} at an unreadable event, which stays in the log for inspection
 * @throws {LogMovedOn} if the store refuses a step twice although the log has not changed
 */
export async function compactLog(log: MaintainedLog, keep: number, progress: Progress): Promise<number> {
  let compacted = 0
  let refused: LogBounds | undefined
  for (;;) {
    const bounds = await log.bounds()
    const excess = bounds.last - bounds.compactedTo - keep
    if (excess <= 0) return compacted
    if (isDeepStrictEqual(bounds, refused)) throw new LogMovedOn('the policy store refuses to compact the log')
    const oldest = (await log.oldest()).slice(0, excess).map(readable)
    if (!(await log.fold(bounds, oldest))) {
      refused = bounds
      continue
    }
    compacted += oldest.length
    progress.advanced(oldest.length)
  }
}

function readable(entry: StoredEntry): LogEntry {
  if (entry.event === undefined) throw new DamagedRecord(entry.damage)
  return entry
}
