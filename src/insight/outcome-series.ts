import type { Outcome, OutcomeCounts, OutcomeStore } from './ports.ts'
import { readStore } from './read-store.ts'
import { WINDOW_MS, WINDOW_STEPS, type Window } from './windows.ts'

/** By then all processes have reported what they counted, in ms. */
const REPORTED_AFTER_MS = 2_000

export interface OutcomeSeries {
  readonly fromMs: number
  readonly toMs: number
  readonly stepMs: number
  /** The number of checks in each step, oldest first. */
  readonly series: Record<Outcome, number[]>
}

/**
 * Checks by outcome over a window, in the steps of it that have ended.
 * @param nowMs in ms since 1970
 * @throws {Problem} `store-unavailable`
 */
export async function readOutcomeSeries(store: OutcomeStore, window: Window, nowMs: number): Promise<OutcomeSeries> {
  const { stepMs, grain } = WINDOW_STEPS[window]
  const toMs = Math.floor((nowMs - REPORTED_AFTER_MS) / stepMs) * stepMs
  const fromMs = toMs - WINDOW_MS[window]
  const grains = await readStore(store.read(grain, fromMs, toMs))
  const of = (outcome: Outcome) => inSteps(grains, outcome, stepMs / grain.ms)
  const series = { allowed: of('allowed'), denied: of('denied'), shadowed: of('shadowed'), error: of('error') }
  return { fromMs, toMs, stepMs, series }
}

function inSteps(grains: readonly OutcomeCounts[], outcome: Outcome, grainsPerStep: number): number[] {
  const steps: number[] = new Array(grains.length / grainsPerStep).fill(0)
  for (const [i, counts] of grains.entries()) {
    const step = Math.floor(i / grainsPerStep)
    steps[step] = (steps[step] ?? 0) + counts[outcome]
  }
  return steps
}
