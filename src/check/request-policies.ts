import { type Limit, limitFaults, limitText } from '../domain/limits/limit.ts'
import { compilePolicy, type Policy, REQUEST_POLICY } from '../domain/policy.ts'
import type { PolicyTable } from '../domain/policy-table.ts'
import { validationProblem } from '../lib/errors.ts'
import { setBounded } from '../lib/set-bounded.ts'

/** Past this number the policy that was compiled first is dropped. */
const MAX_POLICIES = 1_000

/**
 * Policies of limits that come with a call. They are kept, since a process recognizes a denial, and counts a policy's checks, by the
 * compiled policy; and since applications ask with few different limits.
 */
export class RequestPolicies {
  readonly #stored: PolicyTable
  readonly #compiled = new Map<string, Policy>()

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
    return this.#compiled.get(text) ?? this.#compile(limit, text)
  }

  #compile(limit: Limit, text: string): Policy {
    const faults = limitFaults(limit)
    if (faults.length > 0) throw validationProblem(faults.map(fault => ({ ...fault, path: fault.path || 'the limit' })))
    const policy = compilePolicy(REQUEST_POLICY, 0, { limits: [limit], mode: 'enforce' })
    this.#stored.noteLimits(policy.limits)
    setBounded(this.#compiled, text, policy, MAX_POLICIES)
    return policy
  }
}
