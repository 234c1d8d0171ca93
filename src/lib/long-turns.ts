/** Interval at which the time is taken, in ms. */
const TICK_MS = 10

/** A turn of the event loop that takes longer than this, in ms, delays everybody. */
const LONG_MS = 10

/** Calls back after each long turn of the event loop, or nearly each. Returns what ends that. */
export function afterLongTurns(callback: () => void): () => void {
  let tickedMs = performance.now()
  const timer = setInterval(() => {
    const nowMs = performance.now()
    if (nowMs - tickedMs > TICK_MS + LONG_MS) callback()
    tickedMs = performance.now()
  }, TICK_MS).unref()
  return () => clearInterval(timer)
}
