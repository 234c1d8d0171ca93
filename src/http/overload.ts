/** How often the turns of the event loop are noted, ms; by so much the lag may be taken for smaller than it is. */
const TICK_MS = 20

/**
 * Whether this process is behind: its event loop has been at the same turn for longer than allowed, as it was before. What still
 * waits in that turn is better refused at once than answered too late. A single pause is no overload; an average over the last
 * second, as libraries take it, would refuse for a second after one, and notice an overload no sooner.
 */
export function watchEventLoop(maxLagMs: number): () => boolean {
  let turnedAtMs = performance.now()
  let wasSlow = false
  const isSlow = () => performance.now() - turnedAtMs > maxLagMs + TICK_MS
  setInterval(() => {
    wasSlow = isSlow()
    turnedAtMs = performance.now()
  }, TICK_MS).unref()
  return () => wasSlow && isSlow()
}
