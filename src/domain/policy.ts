import { ceilDiv, greatestCommonDivisor } from './exact.ts'
import { hash } from './partition.ts'

export const MODES = ['enforce', 'shadow', 'off', 'block'] as const
export type Mode = (typeof MODES)[number]

export const OUTAGE_POLICIES = ['local', 'allow', 'deny'] as const
/** What a check gets while the store is away. */
export type OnStoreFailure = (typeof OUTAGE_POLICIES)[number]

export const MAX_LIMITS = 8
export const MAX_COUNT = 1_000_000_000
/** 31 days. */
export const MAX_INTERVAL_MS = 2_678_400_000
export const LIMIT_NAME = /^[a-z0-9_-]{1,32}$/

/** One token bucket: `capacity` tokens, of which `refillTokens` come back every `refillIntervalMs`, continuously. */
export interface Limit {
  readonly name: string
  readonly capacity: number
  readonly refillTokens: number
  readonly refillIntervalMs: number
}

/** What an operator stores under a config key, in its long form. */
export interface PolicyDefinition {
  /** Those that `limitsOf` returns, unless there are none. */
  readonly limits: readonly Limit[]
  readonly mode: Mode
  readonly onStoreFailure?: OnStoreFailure
  readonly description?: string
}

/**
 * Stands for no limits in a policy that needs none. Release 0.1.0 reads no policy without limits; it reads this one, and does what
 * its mode says. Callers never see it.
 */
export const NO_LIMITS: readonly Limit[] = [{ name: 'no-limits', capacity: 1, refillTokens: 1, refillIntervalMs: 1 }]

/** `off` and `block` decide without a bucket. */
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

/** A limit with everything that its arithmetic needs, in integers below 2^53. */
export interface CompiledLimit extends Limit {
  /** Names the limit in a bucket: 4 bytes, unique in its policy. */
  readonly id: number
  /** Units in a token: the smallest number for which a whole number of units comes back each millisecond. */
  readonly unit: number
  readonly unitsPerMs: number
  readonly capacityUnits: number
  /** The most tokens that one check may have. Where that is more than the capacity, a full bucket goes into debt for it. */
  readonly largest: number
  /** How many milliseconds pass while the limit counts one: 1, but for a share. */
  readonly slowness: number
}

/** A policy as checks use it: which config key it came from, at which version, and its compiled limits. */
export interface Policy {
  readonly configKey: string
  readonly version: number
  readonly definition: PolicyDefinition
  readonly limits: readonly CompiledLimit[]
}

/** The config key that decisions name when the built-in policy decided. */
export const DEFAULT_POLICY = 'default'

export function compilePolicy(configKey: string, version: number, definition: PolicyDefinition): Policy {
  return { configKey, version, definition, limits: compileLimits(limitsOf(definition)) }
}

export function compileLimits(limits: readonly Limit[]): readonly CompiledLimit[] {
  const ids = idsOf(limits.map(({ name }) => name))
  return limits.map(limit => {
    const { name, capacity, refillTokens, refillIntervalMs } = limit
    const { unit, unitsPerMs } = unitsOf(limit)
    const id = ids.get(name) ?? 0
    const capacityUnits = capacity * unit
    // Written out, since an object that others were spread into takes twice the memory.
    return {
      name,
      capacity,
      refillTokens,
      refillIntervalMs,
      id,
      unit,
      unitsPerMs,
      capacityUnits,
      largest: capacity,
      slowness: 1,
    }
  })
}

/**
 * What each of several processes may give of a limit when they cannot ask each other: ⌈capacity ÷ processes⌉ tokens, and
 * refill ÷ processes. Its arithmetic is the limit's own, counted by a clock that is so much slower, and so as exact.
 */
export function shareOf(limit: CompiledLimit, processes: number): CompiledLimit {
  const capacity = ceilDiv(limit.capacity, processes)
  return { ...limit, capacity, capacityUnits: capacity * limit.unit, slowness: processes }
}

/** Marks an entry of a bucket that belongs to no limit. */
const RESERVED_ID = 0

/**
 * Each name's hash. Two names of one policy may share it; they must not share an entry in the bucket, whatever order they
 * stand in.
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

function unitsOf(limit: Limit): { unit: number; unitsPerMs: number } {
  const divisor = greatestCommonDivisor(limit.refillTokens, limit.refillIntervalMs)
  return { unit: limit.refillIntervalMs / divisor, unitsPerMs: limit.refillTokens / divisor }
}

export interface PolicyFault {
  /** JSON pointer into the policy. */
  readonly path: string
  readonly message: string
}

/** What a schema cannot say of a policy: names are unique, and every limit can be counted exactly. */
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

/** A product that is too large to be exact is never rounded to less than 2^53. */
export function isExact(limit: Limit): boolean {
  return limit.capacity * unitsOf(limit).unit <= Number.MAX_SAFE_INTEGER
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
