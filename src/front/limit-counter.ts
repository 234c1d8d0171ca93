import type { Decision } from '../domain/decision.ts'
import { FirstValues } from '../observability/first-values.ts'
import { PolicyCounter, type PolicyCounterOptions } from './policy-counter.ts'

/** Counts decisions by policy and limit. */
export class LimitCounter {
  /** Bounded, since each key may have a policy with limits of its own. */
  readonly #limits = new FirstValues()
  readonly #counter: PolicyCounter

  constructor(options: Omit<PolicyCounterOptions, 'label'>) {
    this.#counter = new PolicyCounter({ ...options, label: 'limit' })
  }

  count(decision: Pick<Decision, 'key' | 'policy'>, limit: string): void {
    this.#counter.add(decision, this.#limits.of(limit))
  }
}
