import { ceilDiv } from '../domain/exact.ts'
import { type CompiledLimit, compileLimits } from '../domain/limits/limit.ts'
import { MAX_COUNT } from '../domain/limits/limit-fault.ts'
import { limitsOf, type Policy } from '../domain/policy.ts'
import { detached } from '../lib/detached.ts'
import type { Limits, ReplayedBucket } from './replayed-bucket.ts'

/** Keys in a report. */
const MAX_KEYS = 10

export interface KeyReport {
  readonly key: string
  readonly denied: number
  /** Checks that mode `shadow`, or a shadow limit, would have denied. Absent if there is none. */
  readonly shadowed?: number
}

export interface LimitReport {
  readonly name: string
  /** Its capacity, in tokens. */
  readonly limit: number
  /** The smallest capacity with which it would have denied nothing; `null` if that is more than a limit can have. */
  readonly smallestCapacity: number | null
}

/** What a policy decided. */
export interface PolicyReport {
  /** Its config key. */
  readonly policy: string
  readonly checks: number
  readonly allowed: number
  readonly denied: number
  /** Allowed checks that the policy would deny if its mode were not `shadow`, or that a shadow limit would deny. */
  readonly shadowed: number
  /** The keys with the most denials; among equals, those with the most shadowed checks. */
  readonly mostDenied: readonly KeyReport[]
  readonly limits: readonly LimitReport[]
}

/** Counts what a policy decides. */
export class PolicyTally {
  readonly policy: Policy
  /** The same limits, each with the largest capacity that it can have, so that they allow what can be allowed. */
  readonly wideLimits: Limits
  /** The most units that any key had spent of each limit if nothing is denied; `Infinity` if even the widest denied. */
  readonly #mostSpent: number[]
  readonly #deniedOf = new Map<string, number>()
  readonly #shadowedOf = new Map<string, number>()
  #checks = 0
  #denied = 0
  #shadowed = 0

  constructor(policy: Policy) {
    this.policy = policy
    this.wideLimits = widened(policy)
    this.#mostSpent = this.wideLimits.map(() => 0)
  }

  allowed(): void {
    this.#checks++
  }

  shadowed(key: string): void {
    this.#checks++
    this.#shadowed++
    count(this.#shadowedOf, key)
  }

  denied(key: string): void {
    this.#checks++
    this.#denied++
    count(this.#deniedOf, key)
  }

  /** A check spent from a bucket with the wide limits. */
  spentFrom(bucket: ReplayedBucket): void {
    const mostSpent = this.#mostSpent
    for (let i = 0; i < mostSpent.length; i++) {
      const spent = bucket.spentOf(i)
      if (spent > (mostSpent[i] as number)) mostSpent[i] = spent
    }
  }

  /** Even the widest limits deny a check. */
  exceeded(): void {
    this.#mostSpent.fill(Number.POSITIVE_INFINITY)
  }

  report(): PolicyReport {
    return {
      policy: this.policy.configKey,
      checks: this.#checks,
      allowed: this.#checks - this.#denied,
      denied: this.#denied,
      shadowed: this.#shadowed,
      mostDenied: this.#mostDenied(),
      limits: this.policy.limits.map((limit, i) => this.#limitReport(limit, i)),
    }
  }

  #mostDenied(): KeyReport[] {
    const keys = new Set([...this.#deniedOf.keys(), ...this.#shadowedOf.keys()])
    return [...keys]
      .map(key => ({ key, denied: this.#deniedOf.get(key) ?? 0, shadowed: this.#shadowedOf.get(key) ?? 0 }))
      .sort((a, b) => b.denied - a.denied || b.shadowed - a.shadowed || (a.key < b.key ? -1 : 1))
      .slice(0, MAX_KEYS)
      .map(({ key, denied, shadowed }) => ({ key, denied, ...(shadowed > 0 && { shadowed }) }))
  }

  #limitReport({ name, capacity, unitsPerToken }: CompiledLimit, index: number): LimitReport {
    const spent = this.#mostSpent[index] ?? 0
    const smallestCapacity = Number.isFinite(spent) ? Math.max(1, ceilDiv(spent, unitsPerToken)) : null
    return { name, limit: capacity, smallestCapacity }
  }
}

function count(counts: Map<string, number>, key: string): void {
  const before = counts.get(key)
  if (before === undefined) counts.set(detached(key), 1)
  else counts.set(key, before + 1)
}

function widened({ definition, limits }: Policy): Limits {
  return compileLimits(limitsOf(definition).map((limit, i) => ({ ...limit, capacity: largestCapacity(limits[i]) })))
}

/** Beyond it, the limit could not be counted exactly. */
function largestCapacity(limit: CompiledLimit | undefined): number {
  return Math.min(MAX_COUNT, Math.floor(Number.MAX_SAFE_INTEGER / (limit?.unitsPerToken ?? 1)))
}
