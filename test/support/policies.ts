import type { Limit } from '../../src/domain/limits/limit.ts'
import { compilePolicy, type Policy, type PolicyDefinition } from '../../src/domain/policy.ts'

/** By default a limit of 10 tokens that refills one token a second. */
export function limitOf(overrides: Partial<Limit> = {}): Limit {
  return { name: 'default', capacity: 10, refillTokens: 1, refillIntervalMs: 1_000, ...overrides }
}

export function definitionOf(overrides: Partial<PolicyDefinition> = {}): PolicyDefinition {
  return { limits: [limitOf()], mode: 'enforce', ...overrides }
}

export function policyOf(configKey: string, overrides: Partial<PolicyDefinition> = {}, version = 1): Policy {
  return compilePolicy(configKey, version, definitionOf(overrides))
}
