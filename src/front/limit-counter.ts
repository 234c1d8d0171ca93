import type { Decision } from '../domain/decision.ts'
import { PolicyCounter, type PolicyCounterOptions } from './policy-counter.ts'

/** Names of limits with a series of their own; further ones share the label `other`. */
const MAX_LIMIT_LABELS = 1000

/** Counts decisions by policy and limit. */
export class LimitCounter {
  readonly #limitLabels = new Set<string>()
  readonly #counter: PolicyCounter

  constructor(options: Omit<PolicyCounterOptions, 'label'>) {
    this.#counter = new PolicyCounter({ ...options, label: 'limit' })
  }

  count(decision: Pick<Decision, 'key' | 'policy'>, limit: string): void {
    this.#counter.add(decision, this.#limitLabelOf(limit))
  }

  /** Bounded, since each key may have a policy with limits of its own. */
  #limitLabelOf(name: string): string {
    if (this.#limitLabels.size < MAX_LIMIT_LABELS) this.#limitLabels.add(name)
    return this.#limitLabels.has(name) ? name : 'other'
  }
}
