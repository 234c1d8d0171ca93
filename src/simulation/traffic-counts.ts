import type { RecordedCheck } from './recorded-check.ts'

/** What the traffic of a simulation was, besides the decisions. */
export interface TrafficReport {
  /** Checks that were decided. */
  readonly checks: number
  /** Time of the earliest and the latest check, RFC 3339; `null` without checks. */
  readonly from: string | null
  readonly to: string | null
  /** Checks with an earlier time than the check before them. */
  readonly outOfOrder: number
  /** Policies that checks name although they do not exist, with the number of these checks. They were skipped. */
  readonly unknownPolicies: Readonly<Record<string, number>>
}

export class TrafficCounts {
  #checks = 0
  #firstMs = Number.POSITIVE_INFINITY
  #lastMs = Number.NEGATIVE_INFINITY
  #previousMs = 0
  #outOfOrder = 0
  readonly #unknown = new Map<string, number>()

  add({ atMs, policy = '' }: RecordedCheck, isDecided: boolean): void {
    if (isDecided) this.#checks++
    else this.#unknown.set(policy, (this.#unknown.get(policy) ?? 0) + 1)
    if (atMs < this.#previousMs) this.#outOfOrder++
    this.#previousMs = atMs
    if (atMs < this.#firstMs) this.#firstMs = atMs
    if (atMs > this.#lastMs) this.#lastMs = atMs
  }

  report(): TrafficReport {
    return {
      checks: this.#checks,
      from: timeOf(this.#firstMs),
      to: timeOf(this.#lastMs),
      outOfOrder: this.#outOfOrder,
      unknownPolicies: Object.fromEntries(this.#unknown),
    }
  }
}

function timeOf(ms: number): string | null {
  return Number.isFinite(ms) ? new Date(ms).toISOString() : null
}
