import type { ChildProcess } from 'node:child_process'

/** How often a child says that it lives, and its parent looks whether it did, ms. */
export const BEAT_INTERVAL_MS = 1_000

/**
 * So many looks in a row heard nothing, and yet the process may only have been frozen for a while. Looks are counted, not time,
 * since the parent may have been paused itself.
 */
const SILENT_LOOKS = 10

/** Calls back once when a child that has begun to speak falls silent: its event loop is blocked, and it will not end by itself. */
export function watchForWedge(child: ChildProcess, wedged: () => void): void {
  let silentLooks = 0
  const look = () => {
    silentLooks++
    if (silentLooks <= SILENT_LOOKS) return
    clearInterval(timer)
    wedged()
  }
  let timer: NodeJS.Timeout | undefined
  child.on('message', () => {
    silentLooks = 0
    timer ??= setInterval(look, BEAT_INTERVAL_MS)
  })
  child.once('exit', () => clearInterval(timer))
}
