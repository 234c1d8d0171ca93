import type { Limit } from '../src/domain/limits/limit.ts'
import { compilePolicy, DEFAULT_POLICY } from '../src/domain/policy.ts'

/**
 * So large that nearly every check passes, and so slow that a bucket that is spent from stays in Redis: a bucket that is
 * full again between two checks would cost less.
 */
export const LIMIT: Limit = { name: 'default', capacity: 1_000_000, refillTokens: 1, refillIntervalMs: 1000 }

export const POLICY = compilePolicy(DEFAULT_POLICY, 0, { limits: [LIMIT], mode: 'enforce' })

/** The same as the service's environment says it. */
export const POLICY_VARIABLES = {
  DEFAULT_CAPACITY: String(LIMIT.capacity),
  DEFAULT_REFILL_TOKENS: String(LIMIT.refillTokens),
  DEFAULT_REFILL_INTERVAL_MS: String(LIMIT.refillIntervalMs),
}
