import { Counter, type Registry } from 'prom-client'
import type { Decision } from '../domain/decision.ts'
import { EXACT, isOwn, type PolicyLabels } from './policy-labels.ts'

/** A quota is low if less than 1 ÷ this part of it is left. */
const LOW_PART = 10

/** Counts allowed checks that leave little of a quota, so that an operator learns of it before the quota denies. */
export class LowQuotas {
  readonly #labels: PolicyLabels
  readonly #counter: Counter<'policy' | 'limit'>

  constructor(registry: Registry, labels: PolicyLabels) {
    this.#labels = labels
    this.#counter = new Counter({
      name: 'throttler_quota_low_total',
      help: 'Allowed checks that leave less than 10 % of a quota, by policy and limit',
      labelNames: ['policy', 'limit'] as const,
      registers: [registry],
    })
  }

  look({ allowed, shadowed, key, policy, states }: Decision): void {
    if (!allowed || shadowed) return
    for (const { limit, remaining } of states) {
      if (limit.kind !== 'quota' || remaining * LOW_PART >= limit.capacity) continue
      this.#counter.inc({ policy: isOwn(key, policy) ? EXACT : this.#labels.labelOf(policy), limit: limit.name })
    }
  }
}
