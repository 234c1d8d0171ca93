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
 * Finds the policies of checks that are to be decided together. Returns a promise only if it has to read the log for them.
 * @throws {Problem} `keys-apart`; `policy-unknown` for a descriptor
 */
export function prepareGroup(
  asked: readonly AskedCheck[],
  isReservation: boolean,
  options: PrepareGroupOptions,
): PreparedGroup | Promise<PreparedGroup> {
  const { policies } = options
  if (asked.length > 1) refuseKeysApart(asked, options)
  const findAll = () => asked.map(check => policies.find(check))
  const found = findAll()
  if (!found.includes(undefined)) return prepared(asked, found, isReservation, options)
  return policies.reread(asked).then(() => prepared(asked, findAll(), isReservation, options))
}

/** @param found the policy of each check; `undefined` if it is unknown */
function prepared(
  asked: readonly AskedCheck[],
  found: readonly (Policy | undefined)[],
  isReservation: boolean,
  { policies, prepare }: PrepareGroupOptions,
): PreparedGroup {
  const checks = asked.map((check, i): BucketCheck => {
    const { key, tokens } = check
    const policy = found[i] ?? policies.find({ key, tokens })
    if (policy === undefined) throw policyUnknown(check)
    prepare(policy)
    return isReservation ? { key, policy, tokens, reserves: true } : { key, policy, tokens }
  })
  const unknown = asked[found.indexOf(undefined)]
  const problem = unknown ? policyUnknown(unknown) : firstOf(checks, tooManyTokens)
  return problem ? { checks, problem } : { checks }
}

function firstOf<Item, Result>(items: readonly Item[], of: (item: Item) => Result | undefined): Result | undefined {
  for (const item of items) {
    const result = of(item)
    if (result !== undefined) return result
  }
  return undefined
}

function refuseKeysApart(asked: readonly AskedCheck[], { canGoTogether }: PrepareGroupOptions): void {
  const keys = asked.map(({ key }) => key)
  if (canGoTogether(keys)) return
  const detail =
    'on Redis Cluster, all keys of a call must have the same text in {…}, such as {org:7}:user:42 and {org:7}; the keys were ' +
    keys.map(key => `"${key}"`).join(', ')
  throw new Problem('keys-apart', detail)
}
