import { isDescriptorKey } from '../domain/descriptors/descriptor-pattern.ts'
import { prefixOf } from '../domain/key.ts'
import { DEFAULT_POLICY, REQUEST_POLICY } from '../domain/policy.ts'
import { FirstValues } from './first-values.ts'

/** The label of all policies that a key has of its own. */
export const EXACT = 'exact'

/** Labels that stand for other things than one stored policy. */
const FIXED: ReadonlySet<string> = new Set([EXACT, DEFAULT_POLICY, REQUEST_POLICY])

/** Bounds the label `policy`, separately for prefix policies, those that callers name, and those for descriptors. */
export class FirstPolicies {
  readonly #prefix = new FirstValues()
  readonly #named = new FirstValues()
  readonly #descriptors = new FirstValues()

  of(label: string): string {
    return FIXED.has(label) ? label : this.#like(label).of(label)
  }

  #like(configKey: string): FirstValues {
    if (isDescriptorKey(configKey)) return this.#descriptors
    return prefixOf(configKey) === undefined ? this.#named : this.#prefix
  }
}
