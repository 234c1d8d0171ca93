import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Runs a task for all who ask for it. Those who ask while it runs share the next run, so that what they get is no older than
 * their question. However often it is asked for, one run is under way and at most one more is to follow, which starts no sooner
 * than `intervalMs` after the one before.
 */
export function shareNextRun<T>(task: () => Promise<T>, intervalMs = 0): () => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  let next: Promise<T> | undefined
  let startedAt = Number.NEGATIVE_INFINITY
  const run = async () => {
    const pauseMs = startedAt + intervalMs - performance.now()
    if (pauseMs > 0) await sleep(pauseMs)
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

/** Runs a task for all who ask for it while it runs, and in the `intervalMs` after its start. */
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
