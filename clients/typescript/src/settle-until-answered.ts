import { setTimeout as sleep } from 'node:timers/promises'
import { isTemporary } from './failure-kinds.ts'
import type { Failures } from './failures.ts'
import type { Hold, HoldEnd } from './hold.ts'
import type { Settlement } from './reservation.ts'

/** How long the service takes a settlement after the hold has expired, in ms. A release gives nothing back then. */
const SETTLED_LATE_MS = 600_000

const FIRST_PAUSE_MS = 100
const MAX_PAUSE_MS = 30_000

/**
 * Ends a hold. If the service does not answer, it is asked again, until it answers or until it would no longer take the
 * settlement. The caller waits for the first call only.
 */
export async function settleUntilAnswered(hold: Hold, end: HoldEnd, failures: Failures): Promise<Settlement> {
  try {
    return await hold.end(end)
  } catch (failure) {
    if (!isTemporary(failure)) return failures.settlement(failure)
    failures.report(failure)
    void settleLater(hold, end, failures)
    return { status: 'pending', checks: [], failure }
  }
}

/** Never rejects. Its timers keep no process alive. */
async function settleLater(hold: Hold, end: HoldEnd, failures: Failures): Promise<void> {
  const untilMs = () => hold.expiresAtMs + (end === 'released' ? 0 : SETTLED_LATE_MS)
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
    // Callers that failed together do not ask again together.
    await sleep(pauseMs * (0.5 + Math.random() / 2), undefined, { ref: false })
    // False also for a time to live that is not a number, which the service refuses.
    if (!(performance.now() < untilMs())) return
    try {
      await hold.end(end)
      return
    } catch (failure) {
      failures.report(failure)
      if (!isTemporary(failure)) return
    }
  }
}
