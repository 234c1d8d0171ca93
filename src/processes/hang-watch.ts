import type { ChildProcess } from 'node:child_process'
import type { FromChild } from './messages.ts'

/** How often a child sends a heartbeat and its parent checks for one, in ms. */
export const HEARTBEAT_INTERVAL_MS = 1_000

/**
 * Consecutive missed heartbeats before a child counts as hung; a child may also be frozen for a moment. Counts checks rather than
 * time, because the parent may have been paused itself.
 */
const MAX_MISSED = 10

/** The same until a child is ready: on a busy machine, it needs longer to load its code, and then to load the policies. */
const MAX_MISSED_AT_START = 60

export interface HangLimits {
  readonly intervalMs?: number
  readonly maxMissed?: number
  readonly maxMissedAtStart?: number
}

/** Calls `onHang` once if the child stops sending messages or never sends any: its event loop is blocked. */
export function watchForHang(child: ChildProcess, onHang: () => void, limits: HangLimits = {}): void {
  const { intervalMs = HEARTBEAT_INTERVAL_MS, maxMissed = MAX_MISSED, maxMissedAtStart = MAX_MISSED_AT_START } = limits
  let allowed = maxMissedAtStart
  let missed = 0
  const timer = setInterval(() => {
    missed++
    if (missed <= allowed) return
    clearInterval(timer)
    onHang()
  }, intervalMs)
  child.on('message', message => {
    missed = 0
    if ((message as FromChild).type === 'ready') allowed = maxMissed
  })
  child.once('exit', () => clearInterval(timer))
  child.once('error', () => child.pid === undefined && clearInterval(timer))
}
