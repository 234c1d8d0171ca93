import { ceilDiv, floorDiv, isSmallerRatio } from './exact.ts'
import type { CompiledLimit, OnStoreFailure, Policy } from './policy.ts'
import { allows, type BucketReading } from './token-bucket.ts'

/**
 * Who decided: the store, this process's memory of a denial, its own bucket, nobody because the store is away, or the policy
 * alone.
 */
export type DecisionSource = 'redis' | 'denied-cache' | 'local' | 'outage' | 'policy'

/** What one limit has left after a check; times in whole milliseconds, rounded up. */
export interface LimitState {
  readonly limit: CompiledLimit
  readonly allows: boolean
  /** Whole tokens, rounded down. */
  readonly remaining: number
  /** 0 when the limit allows, `null` when it never can. */
  readonly retryAfterMs: number | null
  /** Until it is full. */
  readonly resetAfterMs: number
  /** Until it has one more token than now; 0 when it is full. */
  readonly nextTokenAfterMs: number
}

/** The answer to one check. */
export interface Decision {
  readonly allowed: boolean
  /** Set when a policy in `shadow` mode would have denied. */
  readonly shadowed: boolean
  /** Set when the policy's mode is `block`. */
  readonly blocked: boolean
  readonly key: string
  readonly policy: Policy
  readonly tokens: number
  /** `null` while nobody knows, or if the policy has no limits. */
  readonly remaining: number | null
  readonly retryAfterMs: number | null
  readonly resetAfterMs: number | null
  /** The limit whose values the decision bears: the tightest one, or the one that denied for longest. None: no limits. */
  readonly binding: CompiledLimit | undefined
  /** Each limit's own values; empty when no bucket was asked. */
  readonly states: readonly LimitState[]
  readonly source: DecisionSource
  /** The store was needed and could not be asked. */
  readonly degraded: boolean
}

export interface BucketDecision extends Decision {
  readonly binding: CompiledLimit
}

interface Asked {
  readonly key: string
  readonly policy: Policy
  readonly tokens: number
}

/**
 * The decision that follows from what a bucket said.
 * @param counted the limits that the bucket counted by: the policy's own, or a process's share of them
 */
export function decideByBucket(
  asked: Asked,
  reading: BucketReading,
  source: DecisionSource,
  counted: readonly CompiledLimit[] = asked.policy.limits,
): BucketDecision {
  const { key, policy, tokens } = asked
  const states = counted.map((limit, i) => limitState(limit, policy.limits[i] ?? limit, reading, i, tokens))
  const binding = reading.allowed ? tightest(states) : longest(states)
  const shadowed = !reading.allowed && policy.definition.mode === 'shadow'
  return {
    allowed: reading.allowed || shadowed,
    shadowed,
    blocked: false,
    key,
    policy,
    tokens,
    remaining: binding.remaining,
    retryAfterMs: binding.retryAfterMs,
    resetAfterMs: binding.resetAfterMs,
    binding: binding.limit,
    states,
    source,
    degraded: source === 'local',
  }
}

/** The decision of a policy that needs no bucket (`off`, `block`), or `undefined`. */
export function decideByMode(asked: Asked): Decision | undefined {
  const { mode } = asked.policy.definition
  if (mode === 'off') {
    return withoutBucket(asked, { source: 'policy', remaining: asked.policy.limits[0]?.capacity ?? null })
  }
  if (mode !== 'block') return undefined
  const decision = withoutBucket(asked, { source: 'policy', remaining: 0 })
  return { ...decision, allowed: false, blocked: true, retryAfterMs: null, resetAfterMs: null }
}

/** The decision of `onStoreFailure: allow`: yes, and nobody knows what is left. */
export function decideByOutage(asked: Asked): Decision {
  const decision = withoutBucket(asked, { source: 'outage', remaining: null })
  return { ...decision, resetAfterMs: null, degraded: true }
}

function withoutBucket(asked: Asked, known: Pick<Decision, 'source' | 'remaining'>): Decision {
  return {
    allowed: true,
    shadowed: false,
    blocked: false,
    ...asked,
    ...known,
    retryAfterMs: 0,
    resetAfterMs: 0,
    binding: asked.policy.limits[0],
    states: [],
    degraded: false,
  }
}

/** A check of more tokens than a limit's capacity can never pass; this is the limit, or `undefined`. */
export function limitTooSmallFor(policy: Policy, tokens: number): CompiledLimit | undefined {
  return policy.limits.find(limit => tokens > limit.capacity)
}

/** What a policy does while the store is away, given what the service does by default. `shadow` never refuses. */
export function outagePolicyOf({ definition }: Policy, byDefault: OnStoreFailure): OnStoreFailure {
  const asked = definition.onStoreFailure ?? byDefault
  return asked === 'deny' && definition.mode === 'shadow' ? 'local' : asked
}

/** The names of the limits that denied, or would have denied were they enforced. */
export function violatedLimits(decision: Decision): string[] {
  if (decision.allowed && !decision.shadowed) return []
  return decision.states.filter(state => !state.allows).map(state => state.limit.name)
}

/** The bucket in words: "0 of 100 tokens left; 10 more every 1000 ms". */
export function explain(decision: BucketDecision): string {
  const { binding, states } = decision
  const name = states.length > 1 ? `${binding.name}: ` : ''
  const left = `${decision.remaining} of ${binding.capacity} tokens left`
  return `${name}${left}; ${binding.refillTokens} more every ${binding.refillIntervalMs} ms`
}

/** @param named the limit as the policy has it, of which `limit` may be a share */
function limitState(
  limit: CompiledLimit,
  named: CompiledLimit,
  reading: BucketReading,
  index: number,
  tokens: number,
): LimitState {
  const spent = reading.spent[index] ?? 0
  /** Below 0 when the bucket is in debt. */
  const left = limit.capacityUnits - spent
  const allowing = reading.allowed || allows(limit, spent, tokens)
  return {
    limit: named,
    allows: allowing,
    remaining: left < 0 ? 0 : floorDiv(left, limit.unit),
    retryAfterMs: allowing ? 0 : waitUntilAllowed(limit, reading, spent, tokens),
    resetAfterMs: spent === 0 ? 0 : waitFor(limit, reading, spent),
    nextTokenAfterMs: spent === 0 ? 0 : waitFor(limit, reading, limit.unit - (left < 0 ? left : left % limit.unit)),
  }
}

/** `null`: for ever. */
function waitUntilAllowed(limit: CompiledLimit, reading: BucketReading, spent: number, tokens: number): number | null {
  if (tokens > limit.largest) return null
  const free = tokens > limit.capacity ? 0 : limit.capacityUnits - tokens * limit.unit
  return waitFor(limit, reading, spent - free)
}

/** How long until so many units are back, ms. */
function waitFor(limit: CompiledLimit, { pauseMs }: BucketReading, units: number): number {
  return ceilDiv(units, limit.unitsPerMs) * limit.slowness + pauseMs
}

/** The smallest remaining ÷ capacity, then the first. */
function tightest(states: readonly LimitState[]): LimitState {
  return states.reduce((a, b) => (isSmallerRatio(b.remaining, b.limit.capacity, a.remaining, a.limit.capacity) ? b : a))
}

/** The largest time until it allows, where never is largest, then the first. */
function longest(states: readonly LimitState[]): LimitState {
  const wait = (state: LimitState) => state.retryAfterMs ?? Number.POSITIVE_INFINITY
  return states.reduce((a, b) => (wait(b) > wait(a) ? b : a))
}
