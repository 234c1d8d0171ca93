import { type Limit, limitFaults, limitText } from '../domain/limits/limit.ts'
import { compilePolicy, type Policy, REQUEST_POLICY } from '../domain/policy.ts'
import type { PolicyTable } from '../domain/policy-table.ts'
import { validationProblem } from '../lib/errors.ts'

/**
 * Policies in each of two generations. Once the recent one is full, it becomes the older one, whose policies are dropped unless they were
 * used again.
 */
const MAX_RECENT = 500

/**
 * Policies of limits that come with a call. They are kept, since a process recognizes a denial, and counts a policy's checks, by the
 * compiled policy; and since applications ask with few different limits.
 */
export class RequestPolicies {
  readonly #stored: PolicyTable
  #recent = new Map<string, Policy>()
  #older: ReadonlyMap<string, Policy> = new Map()

  /** @param stored the policies of operators */
  constructor(stored: PolicyTable) {
    this.#stored = stored
  }

  /**
   * The policy for a key whose caller brings a limit: the one that an operator stored for it, otherwise that limit. The built-in
   * policy never decides.
   * @throws {Problem} `validation-failed` if the limit cannot be counted exactly
   */
  policyFor(key: string, limit: Limit): Policy {
    const own = this.policyOf(limit)
    return this.#stored.matchStored(key) ?? own
  }

  /**
   * The policy with this limit alone.
   * @throws {Problem} `validation-failed` if the limit cannot be counted exactly
   */
  policyOf(limit: Limit): Policy {
    const text = limitText(limit)
    return this.#recent.get(text) ?? this.#keep(text, this.#older.get(text) ?? this.#compile(limit))
  }

  /** Drops many at once: to delete one for each that is compiled costs as much as to compile it. */
  #keep(text: string, policy: Policy): Policy {
    if (this.#recent.size === MAX_RECENT) {
      this.#older = this.#recent
      this.#recent = new Map()
    }
    this.#recent.set(text, policy)
    return policy
  }

  #compile(limit: Limit): Policy {
    const faults = limitFaults(limit)
    if (faults.length > 0) throw validationProblem(faults.map(fault => ({ ...fault, path: fault.path || 'the limit' })))
    const policy = compilePolicy(REQUEST_POLICY, 0, { limits: [limit], mode: 'enforce' })
    this.#stored.noteLimits(policy.limits)
    return policy
  }
}
