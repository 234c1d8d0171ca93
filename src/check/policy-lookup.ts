import { descriptorIn, isDescriptorKey } from '../domain/descriptors/descriptor-pattern.ts'
import { configPartition } from '../domain/partition.ts'
import type { Policy } from '../domain/policy.ts'
import type { PolicyTable } from '../domain/policy-table.ts'
import { Problem } from '../lib/errors.ts'
import type { AskedCheck } from './pending-check.ts'

/** Reads the log of a partition of the policies. Resolves at once if it may not be read now, or if it cannot be read. */
export type Reread = (partition: number) => Promise<void>

/**
 * Finds the policy in force for a check. A policy that a caller names may have been stored a moment ago, through another process. So
 * before it counts as unknown, the log is read once more.
 */
export class PolicyLookup {
  readonly #policies: PolicyTable
  readonly #reread: Reread

  constructor(policies: PolicyTable, reread: Reread) {
    this.#policies = policies
    this.#reread = reread
  }

  /** `undefined` if the caller names a policy that this process does not know. */
  find({ key, policy, resolvedPolicy }: AskedCheck): Policy | undefined {
    if (resolvedPolicy !== undefined) return resolvedPolicy
    return policy === undefined ? this.#policies.match(key) : this.#policies.matchNamed(key, policy)
  }

  /** Finds the policy also for the bucket of a descriptor, which its own protocol checks. */
  findForBucket(asked: AskedCheck): Policy | undefined {
    if (asked.policy !== undefined || !isDescriptorKey(asked.key)) return this.find(asked)
    const descriptor = descriptorIn(asked.key)
    return descriptor && this.#policies.matchDescriptor(descriptor)
  }

  /** Reads the changes of the named policies that this process does not know. */
  async reread(checks: readonly AskedCheck[]): Promise<void> {
    const unknown = checks.filter(check => this.find(check) === undefined)
    const partitions = new Set(unknown.map(({ policy = '' }) => configPartition(policy)))
    await Promise.all([...partitions].map(this.#reread))
  }
}

/** The problem of a check whose policy does not exist: it names one, or it is of a descriptor. */
export function policyUnknown({ key, policy }: AskedCheck): Problem {
  if (policy === undefined) return new Problem('policy-unknown', `no policy matches the descriptor "${key}"`)
  const detail = `the check of "${key}" names the policy "${policy}", but none is stored under this config key`
  return new Problem('policy-unknown', detail)
}
