import type { Registry } from 'prom-client'
import type { DecisionSource } from '../domain/decision.ts'
import { type CounterSeries, SeriesCounter } from '../observability/series-counter.ts'
import { type Counted, CountsByPolicy } from './counts-by-policy.ts'
import type { PolicyLabels } from './policy-labels.ts'

export type CheckOutcome = 'allowed' | 'denied' | 'shadowed' | 'error'

/** The series of one policy, by source and outcome. */
interface PolicySeries {
  readonly policy: string
  readonly bySource: Partial<Record<DecisionSource, Partial<Record<CheckOutcome, CounterSeries>>>>
}

/** Counts checks. */
export class CheckCounter {
  readonly #counter: SeriesCounter
  readonly #series: CountsByPolicy<PolicySeries>

  constructor(registry: Registry, labels: PolicyLabels) {
    this.#counter = new SeriesCounter({
      name: 'throttler_checks_total',
      help: 'Checks answered, by policy, outcome and source of the decision',
      registry,
    })
    this.#series = new CountsByPolicy(labels, policy => ({ policy, bySource: {} }))
  }

  add(counted: Counted, outcome: CheckOutcome, source: DecisionSource): void {
    const { policy, bySource } = this.#series.of(counted)
    bySource[source] ??= {}
    const byOutcome = bySource[source]
    byOutcome[outcome] ??= this.#counter.addSeries({ policy, outcome, source })
    byOutcome[outcome].value++
  }
}
