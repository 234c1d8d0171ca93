import type { Decision } from '../domain/decision.ts'
import { withDeadline } from '../lib/deadline.ts'
import type { KeyTally } from './key-tally.ts'
import { OutcomeTally } from './outcome-tally.ts'
import { type KeyCountStore, type MeasureReport, type OutcomeCounts, type OutcomeStore, periodOf } from './ports.ts'

/** Longest time of a part of a report, in ms. */
const TIMEOUT_MS = 1_000

interface CheckCountsOptions {
  readonly outcomes: OutcomeStore
  readonly keyCounts: KeyCountStore
  /** Absent if nothing that names keys is kept. */
  readonly keys: KeyTally | undefined
}

export interface CountsReport {
  /** In ms since 1970. */
  readonly atMs: number
  readonly outcomes: OutcomeCounts
  readonly measures: readonly MeasureReport[]
}

/** Everything that a process counts about checks. */
export class CheckCounts {
  readonly #options: CheckCountsOptions
  readonly #outcomes = new OutcomeTally()

  constructor(options: CheckCountsOptions) {
    this.#options = options
  }

  decided(decision: Decision): void {
    this.#outcomes.decided(decision)
    this.#options.keys?.decided(decision)
  }

  undecided(): void {
    this.#outcomes.undecided()
  }

  /** What has been counted since the last call, at `startedAtMs`; `undefined` if there were no checks. */
  take(startedAtMs: number, nowMs: number): CountsReport | undefined {
    const { keys } = this.#options
    const outcomes = this.#outcomes.take()
    const measures = keys?.takeReports() ?? []
    if (periodOf('minute', startedAtMs).number !== periodOf('minute', nowMs).number) keys?.startMinute()
    return outcomes && { atMs: startedAtMs, outcomes, measures }
  }

  /** Sends one part after another, so that checks do not wait behind a long report. Rejects if the store is unavailable. */
  async send({ atMs, outcomes, measures }: CountsReport): Promise<void> {
    await withDeadline(this.#options.outcomes.add(atMs, outcomes), TIMEOUT_MS)
    for (const report of measures) await withDeadline(this.#options.keyCounts.add(atMs, report), TIMEOUT_MS)
  }
}
