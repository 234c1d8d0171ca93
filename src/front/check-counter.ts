import { Counter, type Registry } from 'prom-client'
import type { DecisionSource } from '../domain/decision.ts'
import type { Policy } from '../domain/policy.ts'
import { EXACT, isOwn, type PolicyLabels } from './policy-labels.ts'

export type CheckOutcome = 'allowed' | 'denied' | 'shadowed' | 'error'

interface Counted {
  readonly key: string
  readonly policy: Policy
}

/** Counts since the last scrape of one policy, by source and outcome. */
type Counts = Partial<Record<DecisionSource, Partial<Record<CheckOutcome, number>>>>

/**
 * Counts checks in plain numbers, and adds them to Prometheus' counter at a scrape: finding a counter's series by its labels
 * costs more than everything else about counting.
 */
export class CheckCounter {
  readonly #countsByLabel = new Map<string, Counts>()
  readonly #countsByPolicy = new WeakMap<Policy, Counts>()
  readonly #countsOfExact: Counts = {}
  readonly #labels: PolicyLabels

  constructor(registry: Registry, labels: PolicyLabels) {
    this.#labels = labels
    const counter = this
    this.#countsByLabel.set(EXACT, this.#countsOfExact)
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

  add({ key, policy }: Counted, outcome: CheckOutcome, source: DecisionSource): void {
    const counts = isOwn(key, policy)
      ? this.#countsOfExact
      : (this.#countsByPolicy.get(policy) ?? this.#countsOf(policy))
    counts[source] ??= {}
    const outcomes = counts[source]
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
  }

  #countsOf(policy: Policy): Counts {
    const label = this.#labels.labelOf(policy)
    const counts = this.#countsByLabel.get(label) ?? {}
    this.#countsByLabel.set(label, counts)
    this.#countsByPolicy.set(policy, counts)
    return counts
  }

  /** Returns the counts since the last call, and resets them. */
  *#take() {
    for (const [policy, counts] of this.#countsByLabel) {
      for (const [source, outcomes] of Object.entries(counts)) {
        for (const [outcome, count] of Object.entries(outcomes)) {
          if (count > 0) yield { policy, source, outcome, count }
          outcomes[outcome as CheckOutcome] = 0
        }
      }
    }
  }
}
