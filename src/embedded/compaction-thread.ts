/** Compacts the journal in a thread of its own, so that the store answers meanwhile. */
import { once } from 'node:events'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { type CompactionJob, writeCompacted } from './write-compacted.ts'

/** Does what `writeCompacted` does. */
export async function writeCompactedInThread(job: CompactionJob): Promise<number> {
  const thread = new Worker(new URL(import.meta.url), { workerData: job })
  const [lines] = (await once(thread, 'message')) as [number]
  return lines
}

if (!isMainThread) parentPort?.postMessage(writeCompacted(workerData as CompactionJob))
