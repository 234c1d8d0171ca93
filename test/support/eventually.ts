import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 20

/** Repeats a call until it does not throw. After `timeoutMs`, throws its last error. */
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
