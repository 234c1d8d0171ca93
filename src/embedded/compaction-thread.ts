/** Compacts the journal in a worker thread, so that the store keeps answering. */
import { once } from 'node:events'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { type CompactionJob, writeCompacted } from './write-compacted.ts'

/** Runs `writeCompacted` in the thread. */
export async function writeCompactedInThread(job: CompactionJob): Promise<number> {
  const thread = new Worker(new URL(import.meta.url), { workerData: job })
  const [lines] = (await once(thread, 'message')) as [number]
  return lines
}

if (!isMainThread) parentPort?.postMessage(writeCompacted(workerData as CompactionJob))
