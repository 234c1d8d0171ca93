import type { Registry } from 'prom-client'
import { type Decision, isWithinLimits, violatedLimits } from '../domain/decision.ts'
import { LimitCounter } from './limit-counter.ts'
import type { PolicyLabels } from './policy-labels.ts'

/**
 * Counts checks that the enforced limits allow and a shadow limit would have denied, so that an operator learns what it would mean to
 * enforce it.
 */
export class ShadowViolations {
  readonly #counter: LimitCounter

  constructor(registry: Registry, labels: PolicyLabels) {
    this.#counter = new LimitCounter({
      name: 'throttler_shadow_violations_total',
      help: 'Allowed checks that a shadow limit would have denied, by policy and limit',
      registry,
      labels,
    })
  }

  look(decision: Decision): void {
    if (!decision.shadowed || !isWithinLimits(decision)) return
    for (const limit of violatedLimits(decision)) this.#counter.count(decision, limit)
  }
}
