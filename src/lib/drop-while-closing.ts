/** How long something may wait for its turn once the process is about to close, in ms. */
const MAX_WAIT_MS = 500

/**
 * Drops what waits for long once the process is about to close, since it would delay the end.
 * @param closing aborts then
 */
export function dropWhileClosing(closing: AbortSignal, dropWaiting: () => void): void {
  closing.addEventListener('abort', () => {
    setInterval(dropWaiting, MAX_WAIT_MS).unref()
  })
}
