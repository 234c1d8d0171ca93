import type { Decision } from '../domain/decision.ts'
import type { Policy } from '../domain/policy.ts'
import { setBounded } from '../lib/set-bounded.ts'
import { KeyCounts } from './key-counts.ts'
import { type Growth, MEASURES, type Measure, type MeasureReport } from './ports.ts'

const DENIED = MEASURES.indexOf('denied')
const ALLOWED = MEASURES.indexOf('allowed')
const TOKENS = MEASURES.indexOf('tokens')
const SHADOWED = MEASURES.indexOf('shadowed')

/** Keys of each measure whose reported policy is remembered. */
const MAX_REMEMBERED = 4_096

/** What a settled reservation cost one of its keys. */
export interface SettledCost {
  readonly key: string
  readonly policy: Policy
  /** In tokens. */
  readonly charged: number
}

/** Counts the checks and tokens of the most frequent keys in this process, minute by minute. */
export class KeyTally {
  readonly #counts = new KeyCounts<Policy>()
  readonly #reported = MEASURES.map(measure => new ReportedMeasure(measure))

  decided(decision: Decision): void {
    const row = this.#counts.rowOf(decision.key, decision.policy)
    this.#counts.add(row, decision.allowed ? ALLOWED : DENIED, 1)
    if (decision.shadowed) this.#counts.add(row, SHADOWED, 1)
    if (isSpent(decision) && decision.charged > 0) this.#counts.add(row, TOKENS, decision.charged)
  }

  /** What a reservation held is spent only now. */
  settled({ key, policy, charged }: SettledCost): void {
    if (charged > 0) this.#counts.add(this.#counts.rowOf(key, policy), TOKENS, charged)
  }

  /** What has changed since the last call. */
  takeReports(): readonly MeasureReport[] {
    return this.#reported
      .map(reported => reported.take(this.#counts))
      .filter(({ growths, errorGrowth }) => growths.length > 0 || errorGrowth !== 0)
  }

  /** Begins a minute. What has not been reported is forgotten. */
  startMinute(): void {
    this.#counts.clear()
    for (const reported of this.#reported) reported.startMinute()
  }
}

/** What has been reported of one measure. */
class ReportedMeasure {
  readonly #measure: Measure
  /** The bound that was reported last in this minute. */
  #error = 0
  /** By key. Lasts beyond the minute, since the policy of an hour's count changes, too. */
  readonly #policies = new Map<string, string>()

  constructor(measure: Measure) {
    this.#measure = measure
  }

  take(counts: KeyCounts<Policy>): MeasureReport {
    const { growths, error } = counts.report(this.#measure)
    const errorGrowth = error - this.#error
    this.#error = error
    return {
      measure: this.#measure,
      errorGrowth,
      growths: growths.map(({ key, label, growth }) => this.#growthOf(key, label.configKey, growth)),
    }
  }

  startMinute(): void {
    this.#error = 0
  }

  #growthOf(key: string, policy: string, growth: number): Growth {
    const reported = this.#policies.get(key)
    if (reported !== policy) setBounded(this.#policies, key, policy, MAX_REMEMBERED)
    return { key, policy, growth, earlierPolicy: reported === policy ? undefined : reported }
  }
}

/** A reservation holds its tokens; while the store is unavailable, it spends them at once. */
function isSpent({ reserves, degraded }: Decision): boolean {
  return !reserves || degraded
}
