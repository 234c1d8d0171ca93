/** Reads the journal in a worker thread, while the thread of the store takes the commands. */
import { on } from 'node:events'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { CannotStart } from '../processes/supervised-process.ts'
import { type ReplayBatch, ReplayBatches, type ReplaySource } from './replay-batches.ts'

/** Batches that the thread prepares in advance; each takes half a megabyte. */
const AHEAD = 8

type Answer = { readonly batch: ReplayBatch } | { readonly cannotStart: string } | { readonly isEnd: true }

/** The batches of `ReplayBatches`, from the thread. @throws what it throws */
export async function* batchesInThread(source: ReplaySource): AsyncGenerator<ReplayBatch> {
  const thread = new Worker(new URL(import.meta.url), { workerData: source })
  try {
    for (let i = 0; i < AHEAD; i++) thread.postMessage('next')
    for await (const [answer] of on(thread, 'message') as AsyncIterable<[Answer]>) {
      if ('isEnd' in answer) return
      if ('cannotStart' in answer) throw new CannotStart(answer.cannotStart)
      thread.postMessage('next')
      const { bytes, ...batch } = answer.batch
      yield { ...batch, bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) }
    }
  } finally {
    await thread.terminate()
  }
}

/** The answer to each message is the next batch. */
function answerIn(port: NonNullable<typeof parentPort>): void {
  const batches = new ReplayBatches(workerData as ReplaySource)[Symbol.iterator]()
  port.on('message', () => {
    const answer = nextOf(batches)
    port.postMessage(answer, 'batch' in answer ? [answer.batch.bytes.buffer as ArrayBuffer] : [])
  })
}

function nextOf(batches: Iterator<ReplayBatch>): Answer {
  try {
    const { value, done } = batches.next()
    return done ? { isEnd: true } : { batch: value }
  } catch (err) {
    if (err instanceof CannotStart) return { cannotStart: err.message }
    throw err
  }
}

if (!isMainThread && parentPort !== null) answerIn(parentPort)
