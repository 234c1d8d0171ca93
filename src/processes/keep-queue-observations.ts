import type { QueueObservation } from '../queues/queue-watch.ts'
import { sendTo } from './child-process.ts'
import type { SupervisedProcess } from './supervised-process.ts'

/** Keeps what front processes observe of the queues of changes, and tells it to new ones, so that no observation ends with its process. */
export function keepQueueObservations(slots: readonly SupervisedProcess[]): void {
  const latest = new Map<number, QueueObservation>()

  /** Of the same state, the longest observation counts: processes notice it one after another. */
  function keep(queue: QueueObservation): void {
    const kept = latest.get(queue.partition)
    const sinceMs = kept?.seen === queue.seen ? Math.min(kept.sinceMs, queue.sinceMs) : queue.sinceMs
    latest.set(queue.partition, { ...queue, sinceMs })
  }

  for (const slot of slots) {
    slot.on('message', (message, child) => {
      if (message.type === 'queues') message.queues.forEach(keep)
      if (message.type === 'query-observations') sendTo(child, { type: 'queues', queues: [...latest.values()] })
    })
  }
}
