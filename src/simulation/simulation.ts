import { type Policy, samePolicy } from '../domain/policy.ts'
import { detached } from '../lib/detached.ts'
import type { PoliciesOverTime } from './policies-over-time.ts'
import { type PolicyReport, PolicyTally } from './policy-tally.ts'
import type { RecordedCheck } from './recorded-check.ts'
import { ReplayedBucket } from './replayed-bucket.ts'

interface Buckets {
  /** By the limits of the policies. */
  readonly decided: ReplayedBucket
  /** As if nothing were denied. */
  readonly wide: ReplayedBucket
}

/** Decides recorded checks by policies, as the service would, with the time of each check as the clock of the store. */
export class Simulation {
  readonly #policies: PoliciesOverTime
  readonly #tallies: PolicyTally[] = []
  readonly #tallyByPolicy = new Map<Policy, PolicyTally>()
  readonly #buckets = new Map<string, Buckets>()

  constructor(policies: PoliciesOverTime) {
    this.#policies = policies
  }

  /** Returns whether the check was decided: `false` if it names a policy that does not exist. */
  check({ atMs, key, tokens, policy: named }: RecordedCheck): boolean {
    const policy = this.#policies.find(key, named, atMs)
    if (policy === undefined) return false
    const tally = this.#tallyOf(policy)
    switch (policy.definition.mode) {
      case 'off':
        tally.allowed()
        break
      case 'block':
        tally.denied(key)
        break
      default:
        this.#checkBucket(key, tokens, atMs, tally)
    }
    return true
  }

  #tallyOf(policy: Policy): PolicyTally {
    const known = this.#tallyByPolicy.get(policy)
    if (known !== undefined) return known
    const tally = this.#tallies.find(of => isSame(of.policy, policy)) ?? this.#newTally(policy)
    this.#tallyByPolicy.set(policy, tally)
    return tally
  }

  #newTally(policy: Policy): PolicyTally {
    const tally = new PolicyTally(policy)
    this.#tallies.push(tally)
    return tally
  }

  #checkBucket(key: string, tokens: number, atMs: number, tally: PolicyTally): void {
    const { policy, wideLimits } = tally
    const { decided, wide } = this.#bucketsOf(key, tally)
    const verdict = decided.check(policy.limits, tokens, atMs, policy.definition)
    if (verdict === 'allowed') tally.allowed()
    else if (verdict === 'shadowed' || policy.definition.mode === 'shadow') tally.shadowed(key)
    else tally.denied(key)
    if (wide.check(wideLimits, tokens, atMs) === 'denied') tally.exceeded()
    else tally.spentFrom(wide)
  }

  #bucketsOf(key: string, { policy, wideLimits }: PolicyTally): Buckets {
    const known = this.#buckets.get(key)
    if (known !== undefined) return known
    const buckets = { decided: new ReplayedBucket(policy.limits), wide: new ReplayedBucket(wideLimits) }
    this.#buckets.set(detached(key), buckets)
    return buckets
  }

  /** Of each policy that decided a check, by config key. A temporary policy and what follows it are two policies under one key. */
  report(): readonly PolicyReport[] {
    return this.#tallies.map(tally => tally.report()).sort((a, b) => compare(a.policy, b.policy))
  }
}

/** A temporary policy is compiled again whenever the time crosses its end. */
function isSame(a: Policy, b: Policy): boolean {
  return a.configKey === b.configKey && samePolicy(a.definition, b.definition)
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}
