import { DefinitionPool } from './definition-pool.ts'
import { type Descriptor, descriptorPattern, isDescriptorKey } from './descriptors/descriptor-pattern.ts'
import { DescriptorTree } from './descriptors/descriptor-tree.ts'
import { prefixOf } from './key.ts'
import type { CompiledLimit } from './limits/limit.ts'
import { DEFAULT_POLICY, type Policy, type PolicyDefinition } from './policy.ts'
import { PrefixMap } from './prefix-map.ts'

/**
 * All policies, for the lookup of a check: an exact one wins, then the longest prefix, then the built-in default. A lookup costs
 * one map access, plus one for each *length* of prefix in use, however many policies there are.
 */
export class PolicyTable {
  readonly #exact = new Map<string, Policy>()
  readonly #byPrefix = new PrefixMap<Policy>()
  /** Policies for descriptors, by config key. */
  readonly #ofDescriptors = new Map<string, Policy>()
  readonly #descriptorTree = new DescriptorTree<Policy>()
  readonly #definitions = new DefinitionPool()
  readonly #builtIn: Policy
  readonly #onFirstQuota: () => void
  #hasHadQuotas = false

  /** @param onFirstQuota called at the first quota: a policy that comes into force has it, or it came with a call */
  constructor(builtIn: Policy, onFirstQuota: () => void = () => undefined) {
    this.#builtIn = builtIn
    this.#onFirstQuota = onFirstQuota
  }

  /** The policy in force for a caller's key. */
  match(key: string): Policy {
    return this.matchStored(key) ?? this.#builtIn
  }

  /** The policy that an operator stored for a caller's key: the exact one, or that of the longest prefix. */
  matchStored(key: string): Policy | undefined {
    return this.#exact.get(key) ?? this.#byPrefix.longest(key)
  }

  /** The policy in force for a key whose caller names one: the key's exact policy, else the named one if there is such a policy. */
  matchNamed(key: string, name: string): Policy | undefined {
    return this.#exact.get(key) ?? (name === DEFAULT_POLICY ? this.#builtIn : this.get(name))
  }

  /** The policy for a descriptor. Neither `*` nor the built-in policy applies to descriptors. */
  matchDescriptor(descriptor: Descriptor): Policy | undefined {
    return this.#descriptorTree.match(descriptor)
  }

  get(configKey: string): Policy | undefined {
    if (isDescriptorKey(configKey)) return this.#ofDescriptors.get(configKey)
    const prefix = prefixOf(configKey)
    return prefix === undefined ? this.#exact.get(configKey) : this.#byPrefix.get(prefix)
  }

  set(configKey: string, version: number, definition: PolicyDefinition): void {
    const before = this.get(configKey)
    const { definition: shared, limits } = this.#definitions.take(definition)
    const policy: Policy = { configKey, version, definition: shared, limits }
    if (before !== undefined) this.#definitions.release(before.definition)
    this.noteLimits(limits)
    this.#put(configKey, policy)
  }

  #put(configKey: string, policy: Policy): void {
    if (isDescriptorKey(configKey)) {
      this.#ofDescriptors.set(configKey, policy)
      this.#descriptorTree.set(descriptorPattern(configKey), policy)
      return
    }
    const prefix = prefixOf(configKey)
    if (prefix === undefined) this.#exact.set(configKey, policy)
    else this.#byPrefix.set(prefix, policy)
  }

  /** Looks for the first quota. Limits that come with a call are in no policy of the table, so they are noted by their own. */
  noteLimits(limits: readonly CompiledLimit[]): void {
    if (this.#hasHadQuotas || !limits.some(({ kind }) => kind === 'quota')) return
    this.#hasHadQuotas = true
    this.#onFirstQuota()
  }

  delete(configKey: string): void {
    const before = this.get(configKey)
    if (before === undefined) return
    this.#definitions.release(before.definition)
    this.#remove(configKey)
  }

  #remove(configKey: string): void {
    if (isDescriptorKey(configKey)) {
      this.#ofDescriptors.delete(configKey)
      this.#descriptorTree.delete(descriptorPattern(configKey))
      return
    }
    const prefix = prefixOf(configKey)
    if (prefix === undefined) this.#exact.delete(configKey)
    else this.#byPrefix.delete(prefix)
  }

  get size(): number {
    return this.#exact.size + this.#byPrefix.size + this.#ofDescriptors.size
  }

  *configKeys(): Iterable<string> {
    yield* this.#exact.keys()
    yield* this.#ofDescriptors.keys()
    for (const policy of this.#byPrefix.values()) yield policy.configKey
  }
}
