import type { Policy, PolicyDefinition } from '../domain/policy.ts'
import { PolicyTable } from '../domain/policy-table.ts'
import { endOf, enforcedAt, isTemporary, type StoredPolicy, type TemporaryPolicy } from '../domain/temporary-policy.ts'

/** Policies of a file have no history. */
const VERSION = 1

interface Temporary {
  readonly configKey: string
  readonly policy: TemporaryPolicy
}

/**
 * The policies in force at the time of each check. Temporary policies end by that time. Concurrency limits are left out: they deny
 * reservations only, which recorded traffic does not have.
 */
export class PoliciesOverTime {
  /** The config keys of policies with concurrency limits. */
  readonly withConcurrency = new Set<string>()
  readonly #table: PolicyTable
  readonly #temporary: Temporary[] = []
  /** The table holds for the times from the one to before the other. */
  #fromMs = 0
  #untilMs = 0

  constructor(builtIn: Policy) {
    this.#table = new PolicyTable(builtIn)
  }

  add(configKey: string, policy: StoredPolicy): void {
    const simulated = <T extends PolicyDefinition>(definition: T): T => this.#withoutConcurrency(configKey, definition)
    if (!isTemporary(policy)) {
      this.#table.set(configKey, VERSION, simulated(policy))
      return
    }
    const then = policy.then && simulated(policy.then)
    this.#temporary.push({ configKey, policy: { ...simulated(policy), then } })
  }

  #withoutConcurrency<T extends PolicyDefinition>(configKey: string, definition: T): T {
    const limits = definition.limits.filter(({ kind }) => kind !== 'concurrency')
    if (limits.length === definition.limits.length) return definition
    this.withConcurrency.add(configKey)
    return { ...definition, limits }
  }

  /** `undefined` if a caller names a policy that does not exist at that time. */
  find(key: string, named: string | undefined, atMs: number): Policy | undefined {
    if (atMs < this.#fromMs || atMs >= this.#untilMs) this.#moveTo(atMs)
    return named === undefined ? this.#table.match(key) : this.#table.matchNamed(key, named)
  }

  #moveTo(atMs: number): void {
    this.#fromMs = 0
    this.#untilMs = Number.POSITIVE_INFINITY
    for (const { configKey, policy } of this.#temporary) {
      const endMs = endOf(policy) as number
      if (endMs <= atMs) this.#fromMs = Math.max(this.#fromMs, endMs)
      else this.#untilMs = Math.min(this.#untilMs, endMs)
      const enforced = enforcedAt(policy, atMs)
      if (enforced === null) this.#table.delete(configKey)
      else this.#table.set(configKey, VERSION, enforced)
    }
  }
}
