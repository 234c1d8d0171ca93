import type { ChildProcess } from 'node:child_process'

/** How often a child says that it lives, and its parent looks whether it did, ms. */
export const BEAT_INTERVAL_MS = 1_000

/**
 * So many looks in a row heard nothing, and yet the process may only have been frozen for a while. Looks are counted, not time,
 * since the parent may have been paused itself.
 */
const SILENT_LOOKS = 10

/** Until its first message a child loads its code, which takes long on a busy machine. */
const SILENT_LOOKS_AT_START = 60

export interface WedgeLimits {
  readonly intervalMs?: number
  readonly silentLooks?: number
  readonly silentLooksAtStart?: number
}

/** Calls back once when a child falls silent, or never speaks: its event loop is blocked, and it will not end by itself. */
export function watchForWedge(child: ChildProcess, wedged: () => void, limits: WedgeLimits = {}): void {
  const {
    intervalMs = BEAT_INTERVAL_MS,
    silentLooks = SILENT_LOOKS,
    silentLooksAtStart = SILENT_LOOKS_AT_START,
  } = limits
  let allowed = silentLooksAtStart
  let silent = 0
  const timer = setInterval(() => {
    silent++
    if (silent <= allowed) return
    clearInterval(timer)
    wedged()
  }, intervalMs)
  child.on('message', () => {
    silent = 0
    allowed = silentLooks
  })
  child.once('exit', () => clearInterval(timer))
  child.once('error', () => child.pid === undefined && clearInterval(timer))
}
