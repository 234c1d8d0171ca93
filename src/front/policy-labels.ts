import { isDescriptorKey } from '../domain/descriptors/descriptor-pattern.ts'
import { prefixOf } from '../domain/key.ts'
import { DEFAULT_POLICY, type Policy } from '../domain/policy.ts'

/** Prefix policies with a series of their own, and as many that callers name; further ones share the label `other`. */
const MAX_POLICY_LABELS = 1000

/** The label of all policies that a key has of its own. */
export const EXACT = 'exact'

/** The version of policies that no operator stored: the built-in one, and limits that come with a call. */
const NOT_STORED = 0

/** The labels of policies in metrics. Their number is bounded, however many policies there are. */
export class PolicyLabels {
  /** Policies with a series of their own. */
  readonly #prefixLabels = new Set<string>()
  readonly #namedLabels = new Set<string>()

  /** The label of a policy that is not the key's own. */
  labelOf({ configKey, version }: Policy): string {
    if (configKey === DEFAULT_POLICY || version === NOT_STORED) return configKey
    const labels = prefixOf(configKey) === undefined ? this.#namedLabels : this.#prefixLabels
    if (labels.size < MAX_POLICY_LABELS) labels.add(configKey)
    return labels.has(configKey) ? configKey : 'other'
  }
}

/** Whether the policy is the key's own. Any other policy under an exact key was named by the caller. */
export function isOwn(key: string, { configKey, version }: Policy): boolean {
  const isExact = prefixOf(key) === undefined && !isDescriptorKey(key)
  return key === configKey && version !== NOT_STORED && key !== DEFAULT_POLICY && isExact
}
