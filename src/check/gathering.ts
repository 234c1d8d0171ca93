/** How long checks of a busy process may gather for one call, in ms: less than a call takes. */
const GATHER_MS = 0.4

/** More make a call no cheaper. */
const MAX_GATHERED = 16

/** After this long without a check, the process counts as quiet, in ms. */
const QUIET_MS = 5

/** A longer gap counts as one of this length, in ms: one pause says little about how busy the process is. */
const LONG_GAP_MS = 1

/** Weight of the last gap in the average. */
const WEIGHT = 1 / 16

/** For how long nothing gathers after checks that gathered in vain, in ms; each further time it is twice as long. */
const MIN_PAUSE_MS = 10
const MAX_PAUSE_MS = 5_000

/**
 * Says how many checks are worth a call while none is in flight. A call costs the process and the store more than the checks in it,
 * so checks that follow each other closely go out together. A check at a quiet moment waits for nothing. Neither does a caller that
 * asks again only after each answer: where checks gather in vain, none gather for a while.
 */
export class Gathering {
  #lastMs = Number.NEGATIVE_INFINITY
  /** Average time between two checks. Those that arrive at one instant count once. */
  #gapMs = GATHER_MS
  #pausedUntilMs = Number.NEGATIVE_INFINITY
  #pauseMs = MIN_PAUSE_MS

  /** At least 1. */
  get worthACall(): number {
    if (this.#lastMs < this.#pausedUntilMs) return 1
    return Math.max(1, Math.min(MAX_GATHERED, Math.floor(GATHER_MS / this.#gapMs)))
  }

  /** @param atMs by `performance.now()` */
  arrived(atMs: number): void {
    const gapMs = atMs - this.#lastMs
    if (gapMs === 0) return
    this.#lastMs = atMs
    if (gapMs >= QUIET_MS) this.#gapMs = GATHER_MS
    else this.#gapMs += (Math.min(gapMs, LONG_GAP_MS) - this.#gapMs) * WEIGHT
  }

  /** Enough checks came. */
  succeeded(): void {
    this.#pauseMs = MIN_PAUSE_MS
  }

  /** Too few checks came in time. It was in vain if no more are coming. */
  ended(nowMs: number): void {
    if (nowMs - this.#lastMs < GATHER_MS) return
    this.#pausedUntilMs = nowMs + this.#pauseMs
    this.#pauseMs = Math.min(2 * this.#pauseMs, MAX_PAUSE_MS)
  }
}
