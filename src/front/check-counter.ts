import { Counter, type Registry } from 'prom-client'
import type { DecisionSource } from '../domain/decision.ts'
import { type Counted, CountsByPolicy } from './counts-by-policy.ts'
import type { PolicyLabels } from './policy-labels.ts'

export type CheckOutcome = 'allowed' | 'denied' | 'shadowed' | 'error'

/** Counts since the last scrape of one policy, by source and outcome. */
type Counts = Partial<Record<DecisionSource, Partial<Record<CheckOutcome, number>>>>

/**
 * Counts checks in plain numbers, and adds them to Prometheus' counter at a scrape: finding a counter's series by its labels
 * costs more than everything else about counting.
 */
export class CheckCounter {
  readonly #counts: CountsByPolicy<Counts>

  constructor(registry: Registry, labels: PolicyLabels) {
    this.#counts = new CountsByPolicy<Counts>(labels, () => ({}))
    const counter = this
    new Counter({
      name: 'throttler_checks_total',
      help: 'Checks answered, by policy, outcome and source of the decision',
      labelNames: ['policy', 'outcome', 'source'],
      registers: [registry],
      collect() {
        for (const { policy, source, outcome, count } of counter.#take()) this.inc({ policy, outcome, source }, count)
      },
    })
  }

  add(counted: Counted, outcome: CheckOutcome, source: DecisionSource): void {
    const counts = this.#counts.of(counted)
    counts[source] ??= {}
    const outcomes = counts[source]
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
  }

  /** Returns the counts since the last call, and resets them. */
  *#take() {
    for (const [policy, counts] of this.#counts.entries()) {
      for (const [source, outcomes] of Object.entries(counts)) {
        for (const [outcome, count] of Object.entries(outcomes)) {
          if (count > 0) yield { policy, source, outcome, count }
          outcomes[outcome as CheckOutcome] = 0
        }
      }
    }
  }
}
