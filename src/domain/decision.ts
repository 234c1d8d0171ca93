import { floorDiv, isSmallerRatio } from './exact.ts'
import type { CompiledLimit } from './limits/limit.ts'
import { allows, type Demand, type LimitArithmetic } from './limits/limit-arithmetic.ts'
import { enforced } from './limits/shadow.ts'
import type { OnStoreFailure, Policy } from './policy.ts'
import type { BucketReading } from './reading.ts'

/**
 * Who decided: the store, a remembered denial, the process's own bucket, `onStoreFailure: allow` (`outage`), or the policy's mode
 * (`policy`).
 */
export const DECISION_SOURCES = ['redis', 'denied-cache', 'local', 'outage', 'policy'] as const
export type DecisionSource = (typeof DECISION_SOURCES)[number]

/** The state of one limit after a check. What reservations hold is not left. Times are whole milliseconds, rounded up. */
export interface LimitState {
  readonly limit: CompiledLimit
  readonly allows: boolean
  /** Whole tokens, rounded down. */
  readonly remaining: number
  /** 0 when the limit allows, `null` when it never can. Until the next reservation expires, if refill alone is not enough. */
  readonly retryAfterMs: number | null
  /** Until it is full, or until the last reservation expires if that is later. */
  readonly resetAfterMs: number
  /** Until it has one more token than now, by refill or by the next expiry; 0 when it is full. */
  readonly nextTokenAfterMs: number
  /** The length of the present period, for a limit that has periods. */
  readonly periodMs: number | undefined
}

/** The answer to one check. */
export interface Decision {
  readonly allowed: boolean
  /** Set when a policy in `shadow` mode, or a shadow limit, would have denied. */
  readonly shadowed: boolean
  /** Set when the policy's mode is `block`. */
  readonly blocked: boolean
  readonly key: string
  readonly policy: Policy
  readonly tokens: number
  /** It is a reservation. */
  readonly reserves: boolean
  /** The tokens that were spent or held: all of them or none, or of a check that was denied and charged, as many as could be charged. */
  readonly charged: number
  /** `null` if unknown, or if the policy has no limits. */
  readonly remaining: number | null
  readonly retryAfterMs: number | null
  readonly resetAfterMs: number | null
  /** The enforced limit whose values the decision shows: the most exhausted one, or the one that denies for longest. */
  readonly binding: CompiledLimit | undefined
  /** Of each limit that was counted; empty if no bucket was read. */
  readonly states: readonly LimitState[]
  readonly source: DecisionSource
  /** The store was needed but unavailable. */
  readonly degraded: boolean
}

export interface BucketDecision extends Decision {
  readonly binding: CompiledLimit
}

interface Asked {
  readonly key: string
  readonly policy: Policy
  readonly tokens: number
  readonly reserves?: true
}

/**
 * The decision by a bucket's reading.
 * @param counted the limits by which the bucket counted: the policy's own, or a process's shares of the enforced ones
 */
export function decideByBucket(
  asked: Asked,
  reading: BucketReading,
  source: DecisionSource,
  counted: readonly LimitArithmetic[] = asked.policy.limits,
): BucketDecision {
  const { key, policy, tokens, reserves = false } = asked
  const named = counted === policy.limits ? policy.limits : enforced(policy.limits)
  const states = counted.map((limit, i) => limitState(limit, named[i] as CompiledLimit, reading, i, asked))
  const eligible = bindingStates({ states, reserves })
  const binding = reading.allowed ? tightest(eligible) : longest(eligible)
  const shadowed = reading.allowed ? reading.violated !== undefined : policy.definition.mode === 'shadow'
  return {
    allowed: reading.allowed || shadowed,
    shadowed,
    blocked: false,
    key,
    policy,
    tokens,
    reserves,
    charged: reading.allowed ? tokens : (reading.charged ?? 0),
    remaining: binding.remaining,
    retryAfterMs: binding.retryAfterMs,
    resetAfterMs: binding.resetAfterMs,
    binding: binding.limit,
    states,
    source,
    degraded: source === 'local',
  }
}

/** The decision of the modes `off` and `block`, which need no bucket; `undefined` for other modes. */
export function decideByMode(asked: Asked): Decision | undefined {
  const { mode } = asked.policy.definition
  if (mode === 'off') {
    return withoutBucket(asked, { source: 'policy', remaining: enforced(asked.policy.limits)[0]?.capacity ?? null })
  }
  if (mode !== 'block') return undefined
  const decision = withoutBucket(asked, { source: 'policy', remaining: 0 })
  return { ...decision, allowed: false, blocked: true, retryAfterMs: null, resetAfterMs: null }
}

/** The decision of a check that was not asked because another one of its call is blocked: it denies nothing, with unknown values. */
export function decideBesideBlocked(asked: Asked): Decision {
  const decision = withoutBucket(asked, { source: 'policy', remaining: null })
  return { ...decision, retryAfterMs: null, resetAfterMs: null }
}

/** The decision of `onStoreFailure: allow`: allowed, with unknown values. */
export function decideByOutage(asked: Asked): Decision {
  const decision = withoutBucket(asked, { source: 'outage', remaining: null })
  return { ...decision, resetAfterMs: null, degraded: true }
}

function withoutBucket(asked: Asked, known: Pick<Decision, 'source' | 'remaining'>): Decision {
  return {
    allowed: true,
    shadowed: false,
    blocked: false,
    reserves: false,
    charged: 0,
    ...asked,
    ...known,
    retryAfterMs: 0,
    resetAfterMs: 0,
    binding: enforced(asked.policy.limits)[0],
    states: [],
    degraded: false,
  }
}

/** The enforced limit whose capacity is below `tokens`, so that the check can never be allowed; `undefined` if there is none. */
export function limitTooSmallFor(policy: Policy, tokens: number): CompiledLimit | undefined {
  return policy.limits.find(limit => tokens > limit.maxTokensPerCheck && !limit.isShadow)
}

/** What a policy does while the store is unavailable. Mode `shadow` never denies. */
export function onStoreFailureOf({ definition }: Policy, fallback: OnStoreFailure): OnStoreFailure {
  const asked = definition.onStoreFailure ?? fallback
  return asked === 'deny' && definition.mode === 'shadow' ? 'local' : asked
}

/** The states of the limits that can deny. */
export function enforcedStates(states: readonly LimitState[]): readonly LimitState[] {
  return states.some(({ limit }) => limit.isShadow) ? states.filter(({ limit }) => !limit.isShadow) : states
}

/**
 * The states of the limits that can bind. Limits of concurrent reservations bind other checks only if there is no other limit.
 */
export function bindingStates({ states, reserves }: Pick<Decision, 'states' | 'reserves'>): readonly LimitState[] {
  const ofEnforced = enforcedStates(states)
  if (reserves || ofEnforced.every(isSpentFrom)) return ofEnforced
  return ofEnforced.some(isSpentFrom) ? ofEnforced.filter(isSpentFrom) : ofEnforced
}

function isSpentFrom({ limit }: LimitState): boolean {
  return limit.isSpent
}

/** Whether the enforced limits allow. If they do not, a policy in mode `shadow` allows the check, which spends nothing. */
export function isWithinLimits({ states }: Pick<Decision, 'states'>): boolean {
  return states.every(({ allows, limit }) => allows || limit.isShadow)
}

/** The names of the limits that denied, or in mode `shadow` would have denied. If there are none, those of such shadow limits. */
export function violatedLimits({ allowed, shadowed, states }: Decision): string[] {
  if (allowed && !shadowed) return []
  const violated = states.filter(state => !state.allows)
  const denying = violated.filter(({ limit }) => !limit.isShadow)
  return (denying.length > 0 ? denying : violated).map(({ limit }) => limit.name)
}

/** The state in words: "0 of 100 tokens left; 10 more every 1000 ms". */
export function explain(decision: BucketDecision): string {
  const { binding, policy } = decision
  const name = policy.limits.length > 1 ? `${binding.name}: ` : ''
  const left = `${decision.remaining} of ${binding.capacity} ${binding.isSpent ? 'tokens' : 'reservations'} left`
  return `${name}${left}; ${binding.refill}`
}

/** @param named the policy's limit, of which `limit` may be a share */
function limitState(
  limit: LimitArithmetic,
  named: CompiledLimit,
  reading: BucketReading,
  index: number,
  asked: Demand,
): LimitState {
  const { held } = reading
  const spent = reading.spent[index] ?? 0
  /** Once all that is spent has returned. */
  const ceiling = limit.capacityUnits - limit.heldUnits(held)
  const remaining = ceiling < spent ? 0 : floorDiv(ceiling - spent, limit.unitsPerToken)
  const isFull = spent === 0 && ceiling === limit.capacityUnits
  const violated = reading.violated?.[index]
  const allowsNow = reading.allowed ? !violated : allows(limit, spent, held, asked)
  return {
    limit: named,
    allows: violated === undefined ? allowsNow : !violated,
    remaining,
    // A limit that allowed a check which was denied and charged may not allow it again.
    retryAfterMs: allowsNow ? 0 : waitUntilAllowed(limit, reading, index, asked),
    resetAfterMs: Math.max(spent === 0 ? 0 : limit.waitFor(spent, reading, index), held?.lastExpiryMs ?? 0),
    nextTokenAfterMs: isFull ? 0 : waitUntilLeft(limit, reading, index, (remaining + 1) * limit.unitsPerToken),
    periodMs: reading.periods?.[index]?.lengthMs,
  }
}

/** `null` if never. */
function waitUntilAllowed(limit: LimitArithmetic, reading: BucketReading, index: number, asked: Demand): number | null {
  if (asked.tokens > limit.maxTokensPerCheck) return null
  return waitUntilLeft(limit, reading, index, Math.min(limit.demandOf(asked), limit.capacityUnits))
}

/** The time until this many units are left, or until the next reservation expires if refill alone is not enough. */
function waitUntilLeft(limit: LimitArithmetic, reading: BucketReading, index: number, units: number): number {
  const { held, spent } = reading
  // What is held does not matter to a check that only waits for the end of a debt.
  const ceiling = limit.capacityUnits - (units === 0 ? 0 : limit.heldUnits(held))
  if (held !== undefined && ceiling < units) return held.nextExpiryMs
  return limit.waitFor((spent[index] ?? 0) - (ceiling - units), reading, index)
}

/** The smallest remaining ÷ capacity, then the first. */
function tightest(states: readonly LimitState[]): LimitState {
  return states.reduce((a, b) => (isSmallerRatio(b.remaining, b.limit.capacity, a.remaining, a.limit.capacity) ? b : a))
}

/** The longest time until the check is allowed, where never is longest, then the first. */
function longest(states: readonly LimitState[]): LimitState {
  const wait = (state: LimitState) => state.retryAfterMs ?? Number.POSITIVE_INFINITY
  return states.reduce((a, b) => (wait(b) > wait(a) ? b : a))
}
