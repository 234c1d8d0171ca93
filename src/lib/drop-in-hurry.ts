/** How long something may wait for its turn once the process has to end soon, in ms. */
const MAX_WAIT_MS = 500

/**
 * Drops what waits for long once the process has to end soon, since it would delay the end.
 * @param hurry aborts then
 */
export function dropInHurry(hurry: AbortSignal, dropWaiting: () => void): void {
  hurry.addEventListener('abort', () => {
    setInterval(dropWaiting, MAX_WAIT_MS).unref()
  })
}
