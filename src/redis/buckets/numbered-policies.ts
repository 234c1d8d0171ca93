import type { Policy } from '../../domain/policy.ts'
import { encodedLimits } from './encoded-limits.ts'

type Limits = Policy['limits']

/** The limits that one call is about, with their numbers from 1. Policies with the same limits share one. */
export class NumberedPolicies {
  readonly #numbers = new Map<Limits, number>()

  numberOf({ limits }: Policy): number {
    const known = this.#numbers.get(limits)
    if (known !== undefined) return known
    this.#numbers.set(limits, this.#numbers.size + 1)
    return this.#numbers.size
  }

  /** As the scripts read them. */
  get text(): string {
    return Array.from(this.#numbers.keys(), encodedLimits).join(';')
  }
}
