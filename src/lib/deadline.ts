/** So long a process that was busy has to send and read what it is late with, before it takes the store for slow. */
const GRACE_MS = 5

/**
 * Calls back in `ms`, at the earliest `GRACE_MS` after the process had time again and has read what had arrived by then.
 * Clearing the timer may come too late for that.
 */
export function startDeadline(ms: number, expired: () => void): NodeJS.Timeout {
  return setTimeout(() => setTimeout(() => setImmediate(expired), GRACE_MS), ms - GRACE_MS)
}
