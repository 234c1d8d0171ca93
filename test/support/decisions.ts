import type { Decision } from '../../src/domain/decision.ts'
import { policyOf } from './policies.ts'

/** By default the decision that allows a check of one token, by the policy `user:*`. */
export function decisionOf(overrides: Partial<Decision> = {}): Decision {
  const policy = overrides.policy ?? policyOf('user:*')
  return {
    allowed: true,
    shadowed: false,
    blocked: false,
    key: 'user:1',
    policy,
    tokens: 1,
    reserves: false,
    charged: 0,
    remaining: 9,
    retryAfterMs: 0,
    resetAfterMs: 1_000,
    binding: policy.limits[0],
    states: [],
    source: 'redis',
    degraded: false,
    ...overrides,
  }
}
