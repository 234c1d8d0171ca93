import { Counter, type CounterConfiguration, type Registry } from 'prom-client'
import type { Decision } from '../domain/decision.ts'
import { EXACT, isOwn, type PolicyLabels } from './policy-labels.ts'

/** Names of limits with a series of their own; further ones share the label `other`. */
const MAX_LIMIT_LABELS = 1000

interface LimitCounterOptions extends Pick<CounterConfiguration<string>, 'name' | 'help'> {
  readonly registry: Registry
  readonly labels: PolicyLabels
}

/** Counts decisions by policy and limit. */
export class LimitCounter {
  readonly #labels: PolicyLabels
  readonly #limitLabels = new Set<string>()
  readonly #counter: Counter<'policy' | 'limit'>

  constructor({ registry, labels, name, help }: LimitCounterOptions) {
    this.#labels = labels
    this.#counter = new Counter({ name, help, labelNames: ['policy', 'limit'] as const, registers: [registry] })
  }

  count({ key, policy }: Pick<Decision, 'key' | 'policy'>, limit: string): void {
    const label = isOwn(key, policy) ? EXACT : this.#labels.labelOf(policy)
    this.#counter.inc({ policy: label, limit: this.#limitLabelOf(limit) })
  }

  /** Bounded, since each key may have a policy with limits of its own. */
  #limitLabelOf(name: string): string {
    if (this.#limitLabels.size < MAX_LIMIT_LABELS) this.#limitLabels.add(name)
    return this.#limitLabels.has(name) ? name : 'other'
  }
}
