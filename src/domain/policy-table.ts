import { DefinitionPool } from './definition-pool.ts'
import { prefixOf } from './key.ts'
import { DEFAULT_POLICY, type Policy, type PolicyDefinition } from './policy.ts'

/**
 * All policies, for the lookup of a check: an exact one wins, then the longest prefix, then the built-in default. A lookup costs
 * one map access, plus one for each *length* of prefix in use, however many policies there are.
 */
export class PolicyTable {
  readonly #exact = new Map<string, Policy>()
  readonly #byPrefix = new Map<string, Policy>()
  /** The number of prefixes of each length, in UTF-16 units. */
  readonly #lengths = new Map<number, number>()
  #lengthsDescending: readonly number[] = []
  readonly #definitions = new DefinitionPool()
  readonly #builtIn: Policy
  readonly #onFirstQuota: () => void
  #hasHadQuotas = false

  /** @param onFirstQuota called when a policy with a quota comes into force for the first time */
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
    return this.#exact.get(key) ?? this.#longestPrefix(key)
  }

  /** The policy in force for a key whose caller names one: the key's exact policy, else the named one if there is such a policy. */
  matchNamed(key: string, name: string): Policy | undefined {
    return this.#exact.get(key) ?? (name === DEFAULT_POLICY ? this.#builtIn : this.get(name))
  }

  #longestPrefix(key: string): Policy | undefined {
    for (const length of this.#lengthsDescending) {
      if (length > key.length) continue
      const policy = this.#byPrefix.get(key.slice(0, length))
      if (policy !== undefined) return policy
    }
    return undefined
  }

  get(configKey: string): Policy | undefined {
    const prefix = prefixOf(configKey)
    return prefix === undefined ? this.#exact.get(configKey) : this.#byPrefix.get(prefix)
  }

  set(configKey: string, version: number, definition: PolicyDefinition): void {
    const before = this.get(configKey)
    const { definition: shared, limits } = this.#definitions.take(definition)
    const policy: Policy = { configKey, version, definition: shared, limits }
    if (before !== undefined) this.#definitions.release(before.definition)
    if (!this.#hasHadQuotas && limits.some(({ kind }) => kind === 'quota')) this.#foundQuota()
    const prefix = prefixOf(configKey)
    if (prefix === undefined) {
      this.#exact.set(configKey, policy)
      return
    }
    if (before === undefined) this.#count(prefix.length, 1)
    this.#byPrefix.set(prefix, policy)
  }

  #foundQuota(): void {
    this.#hasHadQuotas = true
    this.#onFirstQuota()
  }

  delete(configKey: string): void {
    const before = this.get(configKey)
    if (before === undefined) return
    this.#definitions.release(before.definition)
    const prefix = prefixOf(configKey)
    if (prefix === undefined) {
      this.#exact.delete(configKey)
      return
    }
    this.#byPrefix.delete(prefix)
    this.#count(prefix.length, -1)
  }

  #count(length: number, change: 1 | -1): void {
    const count = (this.#lengths.get(length) ?? 0) + change
    if (count === 0) this.#lengths.delete(length)
    else this.#lengths.set(length, count)
    this.#lengthsDescending = [...this.#lengths.keys()].sort((a, b) => b - a)
  }

  get size(): number {
    return this.#exact.size + this.#byPrefix.size
  }

  *configKeys(): Iterable<string> {
    yield* this.#exact.keys()
    for (const policy of this.#byPrefix.values()) yield policy.configKey
  }
}
