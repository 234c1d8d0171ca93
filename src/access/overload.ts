import { Problem } from '../lib/errors.ts'

/** Sampling interval of the event loop, in ms. The lag is underestimated by up to this much. */
const TICK_MS = 20

/**
 * Detects an overloaded process: one turn of its event loop takes longer than allowed, and so did the one before. Requests that
 * still wait in that turn are better refused at once than answered too late. A single pause is not an overload. An average over
 * the last second, as libraries use it, would refuse requests for a second after a pause, and detect an overload no sooner.
 */
export function watchEventLoop(maxLagMs: number): () => boolean {
  let turnedAtMs = performance.now()
  let wasSlow = false
  const isSlow = () => performance.now() - turnedAtMs > maxLagMs + TICK_MS
  setInterval(() => {
    wasSlow = isSlow()
    turnedAtMs = performance.now()
  }, TICK_MS).unref()
  return () => wasSlow && isSlow()
}

/** The problem of a call that an overloaded process refuses. */
export function overloaded(): Problem {
  return new Problem('overloaded', 'the event loop lags by more than EVENT_LOOP_LAG_MS allows')
}
