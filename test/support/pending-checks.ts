import type { PendingCheck } from '../../src/check/pending-check.ts'
import { policyOf } from './policies.ts'

/** A check of one token that has just arrived; its result is ignored. */
export function pendingCheck(overrides: Partial<PendingCheck> = {}): PendingCheck {
  return {
    key: 'user:1',
    policy: policyOf('user:*'),
    tokens: 1,
    startMs: performance.now(),
    index: 0,
    weight: 1,
    isOfMany: false,
    isExcessDenied: false,
    deadlineMs: Number.POSITIVE_INFINITY,
    onResult: () => undefined,
    origin: undefined,
    isAnswered: false,
    recheck: undefined,
    ...overrides,
  }
}
