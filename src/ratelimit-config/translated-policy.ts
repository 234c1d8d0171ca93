import { limitPer } from '../check/envoy/units.ts'
import { MAX_COUNT } from '../domain/limits/limit-fault.ts'
import { NO_LIMITS, type PolicyDefinition } from '../domain/policy.ts'
import type { ConfigDescriptor } from './config-file.ts'

const OFF: PolicyDefinition = { limits: NO_LIMITS, mode: 'off' }
const BLOCK: PolicyDefinition = { limits: NO_LIMITS, mode: 'block' }
const FORBIDDEN_IN_NAMES = /[^a-z0-9_-]/gu
const MAX_NAME_LENGTH = 32

/** The policy for a descriptor; `undefined` if the reference only looks at what follows it. */
export function translatedPolicy({ rateLimit, flags, descriptors }: ConfigDescriptor): PolicyDefinition | undefined {
  if (rateLimit === undefined) return descriptors.length === 0 ? OFF : undefined
  const { unit, requestsPerUnit, name } = rateLimit
  const deniesNobody = flags.has('shadow_mode') || flags.has('quota_mode')
  if (unit === undefined || (requestsPerUnit === 0 && deniesNobody)) return OFF
  if (requestsPerUnit === 0) return BLOCK
  const limit = {
    ...limitPer(unit, Math.min(requestsPerUnit, MAX_COUNT)),
    ...(name !== '' && { name: limitName(name) }),
  }
  return { limits: [limit], mode: deniesNobody ? 'shadow' : 'enforce' }
}

export function limitName(name: string): string {
  return name.replace(FORBIDDEN_IN_NAMES, '-').slice(0, MAX_NAME_LENGTH)
}
