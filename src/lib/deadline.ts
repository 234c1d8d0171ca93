/** Grace period, in ms, for a process that was itself busy: pending I/O is sent and read before the store is blamed. */
const GRACE_MS = 5

/** The part of a short time that is grace period, at most. */
const GRACE_PART = 1 / 2

/** No answer arrived in time; the call may have taken effect all the same. */
export class TimeoutError extends Error {
  override readonly name = 'TimeoutError'
}

/**
 * Calls back in `ms`, or soon if that is not above 0. A process that was busy at that moment first gets the grace period to read what
 * has arrived; within it, it is too late to clear the timer.
 */
export function startDeadline(ms: number, expired: () => void): NodeJS.Timeout {
  const leftMs = Math.max(0, ms)
  const graceMs = Math.min(GRACE_MS, leftMs * GRACE_PART)
  return setTimeout(() => setTimeout(() => setImmediate(expired), graceMs), leftMs - graceMs)
}

/**
 * The answer, if it arrives within `limitMs`.
 * @throws {TimeoutError}
 */
export function withDeadline<T>(answer: Promise<T>, limitMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const deadline = startDeadline(limitMs, () => reject(new TimeoutError(`no answer within ${limitMs} ms`)))
    void answer.then(resolve, reject).then(() => clearTimeout(deadline))
  })
}
