import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 20

/** Asks again until it does not throw; throws the last error when it still does after `timeoutMs`. */
export async function eventually<T>(ask: () => Promise<T> | T, timeoutMs = 5_000): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    try {
      return await ask()
    } catch (err) {
      if (performance.now() > deadline) throw err
    }
    await sleep(POLL_MS)
  }
}
