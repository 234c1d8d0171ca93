import type { Decision } from '../domain/decision.ts'
import { withDeadline } from '../lib/deadline.ts'
import type { KeyTally, SettledCost } from './key-tally.ts'
import { OutcomeTally } from './outcome-tally.ts'
import { type KeyCountStore, type MeasureReport, type OutcomeCounts, type OutcomeStore, periodOf } from './ports.ts'

interface CheckCountsOptions {
  readonly outcomes: OutcomeStore
  readonly keyCounts: KeyCountStore
  /** Absent if nothing that names keys is kept. */
  readonly keys: KeyTally | undefined
  /** Longest time of a part of a report, in ms. */
  readonly timeoutMs: number
}

export interface CountsReport {
  /** In ms since 1970. */
  readonly atMs: number
  /** `undefined` if reservations were settled, and nothing was checked. */
  readonly outcomes: OutcomeCounts | undefined
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

  settled(cost: SettledCost): void {
    this.#options.keys?.settled(cost)
  }

  /** What has been counted since the last call, at `startedAtMs`; `undefined` if there is nothing. */
  take(startedAtMs: number, nowMs: number): CountsReport | undefined {
    const { keys } = this.#options
    const outcomes = this.#outcomes.take()
    const measures = keys?.takeReports() ?? []
    if (periodOf('minute', startedAtMs).number !== periodOf('minute', nowMs).number) keys?.startMinute()
    return outcomes || measures.length > 0 ? { atMs: startedAtMs, outcomes, measures } : undefined
  }

  /** Sends one part after another, so that checks do not wait behind a long report. Rejects if the store is unavailable. */
  async send({ atMs, outcomes, measures }: CountsReport): Promise<void> {
    const { outcomes: outcomeStore, keyCounts, timeoutMs } = this.#options
    if (outcomes) await withDeadline(outcomeStore.add(atMs, outcomes), timeoutMs)
    for (const report of measures) await withDeadline(keyCounts.add(atMs, report), timeoutMs)
  }
}
