import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Coalesces calls of a task. Callers that arrive during a run share the next one, so no result is older than its call. At most one
 * run is in flight and one waits, which starts no sooner than `intervalMs` after the start of the previous one.
 */
export function shareNextRun<T>(task: () => Promise<T>, intervalMs = 0): () => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  let next: Promise<T> | undefined
  let startedAt = Number.NEGATIVE_INFINITY
  const run = async () => {
    const untilMs = startedAt + intervalMs
    // A timer may be early by a part of a millisecond.
    for (let nowMs = performance.now(); nowMs < untilMs; nowMs = performance.now()) await sleep(untilMs - nowMs)
    startedAt = performance.now()
    next = undefined
    return task()
  }
  return () => {
    next ??= last.then(run)
    last = next.catch(() => undefined)
    return next
  }
}

/** Coalesces calls of a task: callers share the run in flight, and its result until `intervalMs` after its start. */
export function shareRun<T>(task: () => Promise<T>, intervalMs: number): () => Promise<T> {
  let current: Promise<T> | undefined
  let startedAt = Number.NEGATIVE_INFINITY
  let isRunning = false
  return () => {
    const now = performance.now()
    if (current !== undefined && (isRunning || now - startedAt < intervalMs)) return current
    startedAt = now
    isRunning = true
    current = task().finally(() => {
      isRunning = false
    })
    return current
  }
}
