import { setTimeout as sleep } from 'node:timers/promises'

/** Between two calls, in ms: a tenth of the time that has passed, within these bounds. Calls keep a busy machine busy. */
const POLL_MS = { min: 20, max: 100 }

/** Only a test that fails waits that long, so this is almost half of its time, however slow the machine may be. */
const DEFAULT_TIMEOUT_MS = 100_000

/** Repeats a call until it does not throw. After `timeoutMs`, throws its last error. */
export async function eventually<T>(ask: () => Promise<T> | T, timeoutMs = DEFAULT_TIMEOUT_MS): Promise<T> {
  const startMs = performance.now()
  for (;;) {
    try {
      return await ask()
    } catch (err) {
      if (performance.now() - startMs > timeoutMs) throw err
    }
    await sleep(Math.min(Math.max((performance.now() - startMs) / 10, POLL_MS.min), POLL_MS.max))
  }
}
