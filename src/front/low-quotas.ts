import type { Registry } from 'prom-client'
import { type Decision, isWithinLimits, type LimitState } from '../domain/decision.ts'
import { LimitCounter } from './limit-counter.ts'
import type { PolicyLabels } from './policy-labels.ts'

/** A quota is low if less than 1 ÷ this part of it is left. */
const LOW_PART = 10

/** Counts allowed checks that leave little of a quota, so that an operator learns of it before the quota denies. */
export class LowQuotas {
  readonly #counter: LimitCounter

  constructor(registry: Registry, labels: PolicyLabels) {
    this.#counter = new LimitCounter({
      name: 'throttler_quota_low_total',
      help: 'Allowed checks that leave less than 10 % of a quota, by policy and limit',
      registry,
      labels,
    })
  }

  /** While the store is unavailable, what is left of a quota is unknown: a process's share of it is always small. */
  look(decision: Decision): void {
    if (decision.degraded) return
    for (const state of decision.states) {
      if (isLow(state) && isWithinLimits(decision)) this.#counter.count(decision, state.limit.name)
    }
  }
}

/** A shadow limit will deny nobody. */
function isLow({ limit, remaining }: LimitState): boolean {
  return limit.kind === 'quota' && remaining * LOW_PART < limit.capacity && !limit.isShadow
}
