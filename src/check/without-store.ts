import {
  type Decision,
  decideByBucket,
  decideByOutage,
  limitTooSmallFor,
  onStoreFailureOf,
} from '../domain/decision.ts'
import type { OnStoreFailure } from '../domain/policy.ts'
import { Problem } from '../lib/errors.ts'
import type { LocalReading } from './local-buckets.ts'
import type { BucketCheck } from './ports.ts'

const DENIED_IN_OUTAGE =
  'the bucket store is unavailable, and the policy refuses checks meanwhile; this is no decision about the limit'

/** The problem of a check that asks for more tokens than a limit ever holds, without overdraft; `undefined` for any other check. */
export function tooManyTokens({ key, policy, tokens }: BucketCheck): Problem | undefined {
  const { mode, overdraft = false } = policy.definition
  const limit = mode === 'enforce' && !overdraft ? limitTooSmallFor(policy, tokens) : undefined
  if (limit === undefined) return undefined
  const detail = `${tokens} tokens asked for "${key}", but the limit "${limit.name}" of the policy "${policy.configKey}" never holds more than ${limit.capacity}`
  return new Problem('tokens-exceed-capacity', detail)
}

/**
 * The decision while the store is unavailable, or `store-unavailable`.
 * @param onStoreFailure for policies that name none
 * @param readLocally the process's own bucket
 */
export function decideInOutage(
  check: BucketCheck,
  onStoreFailure: OnStoreFailure,
  readLocally: (check: BucketCheck) => LocalReading,
): Decision | Problem {
  switch (onStoreFailureOf(check.policy, onStoreFailure)) {
    case 'local': {
      const { reading, counted } = readLocally(check)
      return decideByBucket(check, reading, 'local', counted)
    }
    case 'allow':
      return decideByOutage(check)
    case 'deny':
      return new Problem('store-unavailable', DENIED_IN_OUTAGE)
  }
}
