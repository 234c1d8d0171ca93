import { ceilDiv, greatestCommonDivisor } from './exact.ts'
import { hash } from './partition.ts'

export const MODES = ['enforce', 'shadow', 'off', 'block'] as const
export type Mode = (typeof MODES)[number]

export const STORE_FAILURE_MODES = ['local', 'allow', 'deny'] as const
/** What a check gets while the bucket store is unavailable. */
export type OnStoreFailure = (typeof STORE_FAILURE_MODES)[number]

export const MAX_LIMITS = 8
export const MAX_COUNT = 1_000_000_000
/** 31 days. */
export const MAX_INTERVAL_MS = 2_678_400_000
export const LIMIT_NAME = /^[a-z0-9_-]{1,32}$/

/** One token bucket: `capacity` tokens; `refillTokens` are added every `refillIntervalMs`, continuously. */
export interface Limit {
  readonly name: string
  readonly capacity: number
  readonly refillTokens: number
  readonly refillIntervalMs: number
}

/** The policy that an operator stores under a config key, in its long form. */
export interface PolicyDefinition {
  /** Those that `limitsOf` returns, unless there are none. */
  readonly limits: readonly Limit[]
  readonly mode: Mode
  readonly onStoreFailure?: OnStoreFailure
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

/** A limit with the numbers for its arithmetic, all integers below 2^53. */
export interface CompiledLimit extends Limit {
  /** Identifies the limit in a bucket: 4 bytes, unique in its policy. */
  readonly id: number
  /** The smallest number for which a whole number of units refills each millisecond. */
  readonly unitsPerToken: number
  readonly unitsPerMs: number
  readonly capacityUnits: number
  /** May exceed the capacity of a share; a full bucket then goes into debt. */
  readonly maxTokensPerCheck: number
  /** Milliseconds of real time for each millisecond of the limit's clock: 1, or the number of processes for a share. */
  readonly timeScale: number
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

export function compilePolicy(configKey: string, version: number, definition: PolicyDefinition): Policy {
  return { configKey, version, definition, limits: compileLimits(limitsOf(definition)) }
}

export function compileLimits(limits: readonly Limit[]): readonly CompiledLimit[] {
  const ids = idsOf(limits.map(({ name }) => name))
  return limits.map(limit => {
    const { name, capacity, refillTokens, refillIntervalMs } = limit
    const { unitsPerToken, unitsPerMs } = unitsOf(limit)
    const id = ids.get(name) ?? 0
    const capacityUnits = capacity * unitsPerToken
    // Written out, since an object made by spreading takes twice the memory.
    return {
      name,
      capacity,
      refillTokens,
      refillIntervalMs,
      id,
      unitsPerToken,
      unitsPerMs,
      capacityUnits,
      maxTokensPerCheck: capacity,
      timeScale: 1,
    }
  })
}

/**
 * One process's share of a limit: ⌈capacity ÷ processes⌉ tokens, and refill ÷ processes. The arithmetic stays the limit's own and
 * exact, by a clock that is slower by the factor `processes`.
 */
export function shareOf(limit: CompiledLimit, processes: number): CompiledLimit {
  const capacity = ceilDiv(limit.capacity, processes)
  return { ...limit, capacity, capacityUnits: capacity * limit.unitsPerToken, timeScale: processes }
}

/** Reserved by the layout of a bucket. */
const RESERVED_ID = 0

/**
 * The id of each name: its hash. Two names of one policy with the same hash get different ids, independent of their order.
 */
function idsOf(names: readonly string[]): ReadonlyMap<string, number> {
  const ids = new Map<string, number>()
  const taken = new Set<number>()
  for (const name of names.toSorted()) {
    let id = hash(name, 0, name.length)
    while (taken.has(id) || id === RESERVED_ID) id = (id + 1) >>> 0
    taken.add(id)
    ids.set(name, id)
  }
  return ids
}

function unitsOf(limit: Limit): { unitsPerToken: number; unitsPerMs: number } {
  const divisor = greatestCommonDivisor(limit.refillTokens, limit.refillIntervalMs)
  return { unitsPerToken: limit.refillIntervalMs / divisor, unitsPerMs: limit.refillTokens / divisor }
}

export interface PolicyFault {
  /** JSON pointer into the policy. */
  readonly path: string
  readonly message: string
}

/** Faults that a schema cannot express: duplicate names, and limits that cannot be counted exactly. */
export function policyFaults(definition: PolicyDefinition): readonly PolicyFault[] {
  const names = new Set<string>()
  return definition.limits.flatMap((limit, index) => {
    const faults: PolicyFault[] = []
    if (names.has(limit.name)) {
      faults.push({ path: `/limits/${index}/name`, message: `"${limit.name}" names two limits; names must be unique` })
    }
    names.add(limit.name)
    if (!isExact(limit)) faults.push({ path: `/limits/${index}`, message: INEXACT })
    return faults
  })
}

const INEXACT =
  'capacity × refillIntervalMs ÷ gcd(refillTokens, refillIntervalMs) must not exceed 2^53 − 1, or the limit could not be counted exactly'

/** Floating point never rounds a product above 2^53 to below it. */
export function isExact(limit: Limit): boolean {
  return limit.capacity * unitsOf(limit).unitsPerToken <= Number.MAX_SAFE_INTEGER
}

export function samePolicy(a: PolicyDefinition, b: PolicyDefinition): boolean {
  return (
    a.mode === b.mode &&
    a.onStoreFailure === b.onStoreFailure &&
    a.description === b.description &&
    sameLimits(a.limits, b.limits)
  )
}

function sameLimits(a: readonly Limit[], b: readonly Limit[]): boolean {
  return a.length === b.length && a.every((limit, i) => sameLimit(limit, b[i]))
}

function sameLimit(a: Limit, b: Limit | undefined): boolean {
  return (
    a.name === b?.name &&
    a.capacity === b.capacity &&
    a.refillTokens === b.refillTokens &&
    a.refillIntervalMs === b.refillIntervalMs
  )
}
