import type { Policy } from '../../domain/policy.ts'
import { encodedLimits } from './encoded-limits.ts'

type Limits = Policy['limits']

/** The limits that one call is about, with their numbers from 1. Policies with the same limits share one. */
export class NumberedPolicies {
  readonly #numbers = new Map<Limits, number>()
  /** One for each number. */
  readonly #policies: Policy[] = []

  numberOf(policy: Policy): number {
    const known = this.#numbers.get(policy.limits)
    if (known !== undefined) return known
    const number = this.#policies.push(policy)
    this.#numbers.set(policy.limits, number)
    return number
  }

  /** As the scripts read them. */
  get text(): string {
    return `[${this.#policies.map(encodedLimits).join()}]`
  }
}
