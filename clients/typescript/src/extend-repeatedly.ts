import { isTemporary } from './failure-kinds.ts'
import type { Failures } from './failures.ts'
import type { Hold } from './hold.ts'

/** Extensions per time to live, so that one can fail without harm. */
const EXTENSIONS_PER_LIFE = 3

/** Pause after a failed extension, in ms. */
const RETRY_MS = 1_000

/**
 * Extends a hold again and again. It stops when the service says that the hold has ended, or has not answered until
 * it must have. Its timers keep no process alive.
 * @returns a function that stops it
 */
export function extendRepeatedly(hold: Hold, failures: Failures): () => void {
  let isStopped = false
  let timer: NodeJS.Timeout
  const extendIn = (ms: number) => {
    timer = setTimeout(extend, ms).unref()
  }
  const pauseMs = hold.ttlMs / EXTENSIONS_PER_LIFE
  const extend = async () => {
    try {
      await hold.extend()
      if (!isStopped) extendIn(pauseMs)
    } catch (failure) {
      // A hold that was settled meanwhile cannot be extended. That is not a failure.
      if (isStopped) return
      failures.report(failure)
      if (isTemporary(failure) && performance.now() < hold.expiresAtMs) extendIn(Math.min(RETRY_MS, pauseMs))
    }
  }
  extendIn(pauseMs)
  return () => {
    isStopped = true
    clearTimeout(timer)
  }
}
