import type { QuotaLimit } from '../../src/domain/limits/quota.ts'
import type { TokenBucketLimit } from '../../src/domain/limits/token-bucket.ts'
import { compilePolicy, type Policy, type PolicyDefinition } from '../../src/domain/policy.ts'

/** By default a limit of 10 tokens that refills one token a second. */
export function limitOf(overrides: Partial<TokenBucketLimit> = {}): TokenBucketLimit {
  return { name: 'default', capacity: 10, refillTokens: 1, refillIntervalMs: 1_000, ...overrides }
}

/** By default a quota of 10 tokens in each month in Berlin, from the 31st at 9:00. */
export function quotaOf(overrides: Partial<QuotaLimit> = {}): QuotaLimit {
  const calendar = { period: 'month', timeZone: 'Europe/Berlin', anchor: '2026-01-31T09:00' } as const
  return { name: 'monthly', kind: 'quota', capacity: 10, ...calendar, ...overrides }
}

export function definitionOf(overrides: Partial<PolicyDefinition> = {}): PolicyDefinition {
  return { limits: [limitOf()], mode: 'enforce', ...overrides }
}

export function policyOf(configKey: string, overrides: Partial<PolicyDefinition> = {}, version = 1): Policy {
  return compilePolicy(configKey, version, definitionOf(overrides))
}
