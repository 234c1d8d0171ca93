import type { Limit, PolicyDefinition } from '../api/types.ts'
import { formatCount, formatExactDuration } from './format.ts'

/** What a limit allows, in words. */
export function limitText(limit: Limit): string {
  const { kind = 'bucket', capacity } = limit
  if (kind === 'quota') return `${formatCount(capacity)} per ${limit.period}${zoneText(limit)}`
  if (kind === 'concurrency') return `at most ${formatCount(capacity)} reservations at once`
  const { refillTokens = 0, refillIntervalMs = 1000 } = limit
  return `${formatCount(capacity)} tokens, ${formatCount(refillTokens)} more every ${formatExactDuration(refillIntervalMs)}`
}

function zoneText({ timeZone, anchor }: Limit): string {
  const parts = [
    ...(timeZone === undefined ? [] : [timeZone]),
    ...(anchor === undefined ? [] : [`counted from ${anchor}`]),
  ]
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`
}

export const MODE_TEXTS: Readonly<Record<string, string>> = {
  enforce: 'Denies what its limits deny.',
  shadow: 'Allows everything, and counts what it would deny.',
  off: 'Allows everything, and counts nothing.',
  block: 'Denies everything.',
}

/** How the keys of descriptors of Envoy's rate limit service begin. Their policies have patterns of their own. */
const DESCRIPTORS = 'rls;'

/** Why this policy is in force for a key whose caller names none. */
export function reasonText(policy: string, key: string): string {
  if (policy === 'default') return 'No stored policy matches this key, so the built-in policy of the settings decides.'
  if (key.startsWith(DESCRIPTORS)) return 'It matches this descriptor, and no policy that matches it is more specific.'
  if (policy === '*') return 'It is the catch-all: the key has no exact policy, and no longer prefix matches it.'
  if (policy.endsWith('*')) return 'It is the longest stored prefix of the key, and the key has no exact policy.'
  return 'It is stored under this very key, which takes precedence over every other policy.'
}

/** The part of a stored policy that an operator writes. */
export function definitionOf(stored: PolicyDefinition & { readonly [member: string]: unknown }): PolicyDefinition {
  const { key: _key, version: _version, updatedAt: _at, updatedBy: _by, ...definition } = stored
  return definition
}
