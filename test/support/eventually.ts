import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 20

/** Only a test that fails waits that long, so this is almost half of its time, however slow the machine may be. */
const DEFAULT_TIMEOUT_MS = 100_000

/** Repeats a call until it does not throw. After `timeoutMs`, throws its last error. */
export async function eventually<T>(ask: () => Promise<T> | T, timeoutMs = DEFAULT_TIMEOUT_MS): Promise<T> {
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
