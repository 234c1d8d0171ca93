/**
 * Whether a stored value is a policy that this release can enforce; another program or a later release may have written it. It is
 * written by hand because a start validates every policy with it: about half a microsecond for one limit.
 */
import {
  isExact,
  LIMIT_NAME,
  type Limit,
  MAX_COUNT,
  MAX_INTERVAL_MS,
  MAX_LIMITS,
  MODES,
  type PolicyDefinition,
  STORE_FAILURE_MODES,
} from './policy.ts'

type Unknown<T> = { readonly [member in keyof T]?: unknown }

export function isPolicyDefinition(value: unknown): value is PolicyDefinition {
  if (!isObject(value)) return false
  const { limits, mode, onStoreFailure, description } = value as Unknown<PolicyDefinition>
  return (
    isOneOf(MODES, mode) &&
    (onStoreFailure === undefined || isOneOf(STORE_FAILURE_MODES, onStoreFailure)) &&
    (description === undefined || typeof description === 'string') &&
    areLimits(limits)
  )
}

function areLimits(limits: unknown): limits is readonly Limit[] {
  if (!Array.isArray(limits) || limits.length < 1 || limits.length > MAX_LIMITS) return false
  return limits.every(isLimit) && haveDistinctNames(limits)
}

function isLimit(value: unknown): value is Limit {
  if (!isObject(value)) return false
  const { name, capacity, refillTokens, refillIntervalMs } = value as Unknown<Limit>
  return (
    typeof name === 'string' &&
    LIMIT_NAME.test(name) &&
    isCount(capacity, MAX_COUNT) &&
    isCount(refillTokens, MAX_COUNT) &&
    isCount(refillIntervalMs, MAX_INTERVAL_MS) &&
    isExact({ name, capacity, refillTokens, refillIntervalMs })
  )
}

function haveDistinctNames(limits: readonly Limit[]): boolean {
  return limits.length === 1 || new Set(limits.map(({ name }) => name)).size === limits.length
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function isOneOf(allowed: readonly string[], value: unknown): boolean {
  return allowed.includes(value as string)
}

function isCount(value: unknown, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= max
}
