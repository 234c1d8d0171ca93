import type { Policy } from '../domain/policy.ts'
import { Problem } from '../lib/errors.ts'
import type { AskedCheck } from './pending-check.ts'
import { type PolicyLookup, policyUnknown } from './policy-lookup.ts'
import type { BucketCheck } from './ports.ts'
import { tooManyTokens } from './without-store.ts'

export interface PrepareGroupOptions {
  readonly policies: PolicyLookup
  /** Computes what the store needs of a policy at this time, unless it is known. */
  readonly prepare: (policy: Policy) => void
  /** Whether the store can decide these keys in one step. */
  canGoTogether(keys: readonly string[]): boolean
}

export interface PreparedGroup {
  readonly checks: readonly BucketCheck[]
  /** Why they are refused now: `policy-unknown` or `tokens-exceed-capacity`. A key whose named policy is unknown has the one in force. */
  readonly problem?: Problem
}

/**
 * Finds the policies of checks that are to be decided together.
 * @throws {Problem} `keys-apart`; `policy-unknown` for a descriptor
 */
export async function prepareGroup(
  asked: readonly AskedCheck[],
  isReservation: boolean,
  { policies, prepare, canGoTogether }: PrepareGroupOptions,
): Promise<PreparedGroup> {
  const keys = asked.map(({ key }) => key)
  if (keys.length > 1 && !canGoTogether(keys)) throw keysApart(keys)
  const findUnknown = () => asked.find(check => policies.find(check) === undefined)
  let unknown = findUnknown()
  if (unknown !== undefined) {
    await policies.reread(asked)
    unknown = findUnknown()
  }
  const checks = asked.map((check): BucketCheck => {
    const { key, tokens } = check
    const policy = policies.find(check) ?? policies.find({ key, tokens })
    if (policy === undefined) throw policyUnknown(check)
    prepare(policy)
    return { key, policy, tokens, ...(isReservation && { reserves: true }) }
  })
  const problem = unknown ? policyUnknown(unknown) : firstOf(checks, tooManyTokens)
  return { checks, ...(problem && { problem }) }
}

function firstOf<Item, Result>(items: readonly Item[], of: (item: Item) => Result | undefined): Result | undefined {
  for (const item of items) {
    const result = of(item)
    if (result !== undefined) return result
  }
  return undefined
}

function keysApart(keys: readonly string[]): Problem {
  const detail =
    'on Redis Cluster, all keys of a call must have the same text in {…}, such as {org:7}:user:42 and {org:7}; the keys were ' +
    keys.map(key => `"${key}"`).join(', ')
  return new Problem('keys-apart', detail)
}
