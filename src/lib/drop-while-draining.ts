/** How long something may wait for its turn once the process drains, in ms. */
const MAX_WAIT_MS = 500

/**
 * Drops what waits for long once the process drains, since it would delay the stop.
 * @param drain aborts when the process begins to drain
 */
export function dropWhileDraining(drain: AbortSignal, dropWaiting: () => void): void {
  drain.addEventListener('abort', () => {
    setInterval(dropWaiting, MAX_WAIT_MS).unref()
  })
}
