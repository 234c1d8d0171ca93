/** Compacts the journal in a worker thread, so that the store keeps answering. */
import { once } from 'node:events'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { type CompactionJob, writeCompacted } from './write-compacted.ts'

/** Runs `writeCompacted` in the thread. Once this rejects, the thread writes nothing more. */
export async function writeCompactedInThread(job: CompactionJob, signal: AbortSignal): Promise<number> {
  const thread = new Worker(new URL(import.meta.url), { workerData: job })
  try {
    const [lines] = (await once(thread, 'message', { signal })) as [number]
    return lines
  } finally {
    await thread.terminate()
  }
}

if (!isMainThread) parentPort?.postMessage(writeCompacted(workerData as CompactionJob))
