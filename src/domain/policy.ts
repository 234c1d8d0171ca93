import { type CompiledLimit, compileLimits, type Limit, limitFaults, sameLimits } from './limits/limit.ts'
import { isShadow } from './limits/shadow.ts'

export const MODES = ['enforce', 'shadow', 'off', 'block'] as const
export type Mode = (typeof MODES)[number]

export const STORE_FAILURE_MODES = ['local', 'allow', 'deny'] as const
/** What a check gets while the bucket store is unavailable. */
export type OnStoreFailure = (typeof STORE_FAILURE_MODES)[number]

export const MAX_LIMITS = 8

/** The policy that an operator stores under a config key, in its long form. */
export interface PolicyDefinition {
  /** Those that `limitsOf` returns, unless there are none. */
  readonly limits: readonly Limit[]
  readonly mode: Mode
  readonly onStoreFailure?: OnStoreFailure
  /** A check for more than is left is denied and still charged, into debt of at most one capacity of each limit. */
  readonly overdraft?: true
  readonly description?: string
}

/**
 * Stored in place of no limits, in a policy that needs none. Release 0.1.0 reads no policy without limits; it reads this one, and
 * does what the mode says. Callers never see it.
 */
export const NO_LIMITS: readonly Limit[] = [{ name: 'no-limits', capacity: 1, refillTokens: 1, refillIntervalMs: 1 }]

/** The modes `off` and `block` decide without a bucket. */
export function needsLimits(mode: Mode): boolean {
  return mode !== 'off' && mode !== 'block'
}

/** The limits of a policy; empty for one that was stored without limits. */
export function limitsOf({ mode, limits }: PolicyDefinition): readonly Limit[] {
  return !needsLimits(mode) && sameLimits(limits, NO_LIMITS) ? [] : limits
}

/** A policy as callers see it: one without limits has no member `limits`. */
export function policyMembers(
  definition: PolicyDefinition,
): Omit<PolicyDefinition, 'limits'> & { readonly limits?: Limit[] } {
  const { limits: _, ...rest } = definition
  const limits = limitsOf(definition)
  return limits.length === 0 ? rest : { limits: [...limits], ...rest }
}

/** A policy as checks use it: its config key, its version and its compiled limits. */
export interface Policy {
  readonly configKey: string
  readonly version: number
  readonly definition: PolicyDefinition
  readonly limits: readonly CompiledLimit[]
}

/** The config key of decisions by the built-in policy. */
export const DEFAULT_POLICY = 'default'

/** The config key of decisions by a limit that came with the call. No such policy is stored, so its version is 0. */
export const REQUEST_POLICY = 'request'

/** Whether its limit came with the call. An operator's policy has a higher version. */
export function comesWithCall({ configKey, version }: Policy): boolean {
  return version === 0 && configKey === REQUEST_POLICY
}

export function compilePolicy(configKey: string, version: number, definition: PolicyDefinition): Policy {
  return { configKey, version, definition, limits: compileLimits(limitsOf(definition)) }
}

export interface PolicyFault {
  /** JSON pointer into the policy. */
  readonly path: string
  readonly message: string
}

const ONLY_SHADOW = 'must be false or absent in at least one limit: a policy needs a limit that is not a shadow limit'

/** Faults that a schema cannot express: duplicate names, what each kind of limit forbids, and only shadow limits. */
export function policyFaults(definition: PolicyDefinition): readonly PolicyFault[] {
  return [...faultsOfLimits(definition), ...onlyShadowFault(definition)]
}

function faultsOfLimits(definition: PolicyDefinition): readonly PolicyFault[] {
  const names = new Set<string>()
  return definition.limits.flatMap((limit, index) => {
    const faults: PolicyFault[] = []
    if (names.has(limit.name)) {
      faults.push({ path: `/limits/${index}/name`, message: `"${limit.name}" names two limits; names must be unique` })
    }
    names.add(limit.name)
    const ofLimit = limitFaults(limit).map(({ path, message }) => ({ path: `/limits/${index}${path}`, message }))
    return [...faults, ...ofLimit]
  })
}

/** A shadow limit is tried out beside a limit that is enforced. */
function onlyShadowFault({ limits }: PolicyDefinition): readonly PolicyFault[] {
  if (!limits.every(isShadow)) return []
  return [{ path: '/limits/0/shadow', message: ONLY_SHADOW }]
}

export function samePolicy(a: PolicyDefinition, b: PolicyDefinition): boolean {
  return (
    a.mode === b.mode &&
    a.onStoreFailure === b.onStoreFailure &&
    a.overdraft === b.overdraft &&
    a.description === b.description &&
    sameLimits(a.limits, b.limits)
  )
}
