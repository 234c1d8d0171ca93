import { DamagedRecord, type LogEntry, type StoredEntry } from '../ports.ts'
import type { MaintainedLog, Progress } from './ports.ts'

/**
 * Compacts a partition's log until it holds no more than the last `keep` events; the others live on in the snapshot, as far as
 * they are the last of their keys. Each step is whole in itself, so it may end anywhere, and run beside changes and others of its
 * kind.
 * @param keep at least 1, since the last event is how a follower knows the log again
 * @returns how many events were compacted
 * @throws {DamagedRecord} at an event that cannot be read: it stays in the log, where it can be looked at
 */
export async function compactLog(log: MaintainedLog, keep: number, progress: Progress): Promise<number> {
  let compacted = 0
  for (;;) {
    const bounds = await log.bounds()
    const excess = bounds.last - bounds.compactedTo - keep
    if (excess <= 0) return compacted
    const { entries } = await log.read(bounds.compactedTo)
    const oldest = entries.slice(0, excess).map(readable)
    if (!(await log.fold(bounds, oldest))) continue
    compacted += oldest.length
    progress.advanced(oldest.length)
  }
}

function readable(entry: StoredEntry): LogEntry {
  if (entry.event === undefined) throw new DamagedRecord(entry.damage)
  return entry
}
