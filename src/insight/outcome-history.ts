import { shareRun } from '../lib/share-runs.ts'
import type { PacedReads } from './paced-reads.ts'
import { type Grain, OUTCOMES, type Outcome, type OutcomeCounts, type OutcomeStore } from './ports.ts'
import { readStore } from './read-store.ts'
import { WINDOW_MS, WINDOW_STEPS, type Window } from './windows.ts'

/** By then all processes have reported what they counted, in ms. */
const REPORTED_AFTER_MS = 2_000

/** How long callers share a result, in ms: reading a day takes a moment. */
const SHARED_FOR_MS = 1_000

/** Read at once: few, so that checks do not wait for them. */
const GRAINS_PER_PART = 120

export interface OutcomeSeries {
  readonly fromMs: number
  readonly toMs: number
  readonly stepMs: number
  /** The number of checks in each step, oldest first. */
  readonly series: Record<Outcome, number[]>
}

interface OutcomeHistoryOptions {
  readonly store: OutcomeStore
  /** One for all windows, so that one of them is read at a time. */
  readonly reads: PacedReads
  /** In ms since 1970. */
  now(): number
}

/** Checks by outcome over a window, in the steps of it that have ended. */
export class OutcomeHistory {
  readonly #options: OutcomeHistoryOptions
  readonly #shared = new Map<Window, () => Promise<OutcomeSeries>>()

  constructor(options: OutcomeHistoryOptions) {
    this.#options = options
  }

  /** @throws {Problem} `store-unavailable` */
  read(window: Window): Promise<OutcomeSeries> {
    const read = () => this.#options.reads.run(() => this.#read(window))
    const shared = this.#shared.get(window) ?? shareRun(read, SHARED_FOR_MS)
    this.#shared.set(window, shared)
    return shared()
  }

  async #read(window: Window): Promise<OutcomeSeries> {
    const { stepMs, grain } = WINDOW_STEPS[window]
    const toMs = Math.floor((this.#options.now() - REPORTED_AFTER_MS) / stepMs) * stepMs
    const fromMs = toMs - WINDOW_MS[window]
    const grains = await this.#readGrains(grain, fromMs, toMs)
    const of = (outcome: Outcome) => inSteps(grains, outcome, stepMs / grain.ms)
    const series = { allowed: of('allowed'), denied: of('denied'), shadowed: of('shadowed'), error: of('error') }
    return { fromMs, toMs, stepMs, series }
  }

  async #readGrains(grain: Grain, fromMs: number, toMs: number): Promise<readonly OutcomeCounts[]> {
    const { store, reads } = this.#options
    const partMs = GRAINS_PER_PART * grain.ms
    const grains: OutcomeCounts[] = []
    for (let ms = fromMs; ms < toMs; ms += partMs) {
      await reads.nextPart(GRAINS_PER_PART * OUTCOMES.length)
      grains.push(...(await readStore(store.read(grain, ms, Math.min(toMs, ms + partMs)))))
    }
    return grains
  }
}

function inSteps(grains: readonly OutcomeCounts[], outcome: Outcome, grainsPerStep: number): number[] {
  const steps: number[] = new Array(grains.length / grainsPerStep).fill(0)
  for (const [i, counts] of grains.entries()) {
    const step = Math.floor(i / grainsPerStep)
    steps[step] = (steps[step] ?? 0) + counts[outcome]
  }
  return steps
}
