import { isDescriptorKey } from '../domain/descriptors/descriptor-pattern.ts'
import { prefixOf } from '../domain/key.ts'
import { DEFAULT_POLICY, type Policy } from '../domain/policy.ts'
import { FirstPolicies } from '../observability/first-policies.ts'

/** The version of policies that no operator stored: the built-in one, and limits that come with a call. */
const NOT_STORED = 0

/** The labels of policies in metrics. Their number is bounded, however many policies there are. */
export class PolicyLabels {
  readonly #first = new FirstPolicies()

  /** The label of a policy that is not the key's own. */
  labelOf({ configKey, version }: Policy): string {
    return version === NOT_STORED ? configKey : this.#first.of(configKey)
  }
}

/** Whether the policy is the key's own. Any other policy under an exact key was named by the caller. */
export function isOwn(key: string, { configKey, version }: Policy): boolean {
  const isExact = prefixOf(key) === undefined && !isDescriptorKey(key)
  return key === configKey && version !== NOT_STORED && key !== DEFAULT_POLICY && isExact
}
