import { type Decision, decideByBucket, decideByMode } from '../domain/decision.ts'
import { chargesDenials } from '../domain/overdraft.ts'
import type { OnStoreFailure, Policy } from '../domain/policy.ts'
import type { BucketReading } from '../domain/reading.ts'
import { Problem } from '../lib/errors.ts'
import { furtherLimitsWeight, limitWeight, weightAt, weightOf } from './check-weight.ts'
import type { DenialCache } from './denial-cache.ts'
import type { LocalBuckets } from './local-buckets.ts'
import { noteAnswer } from './note-answer.ts'
import type { AskedCheck, CheckQueue, CheckResult, OnResult, OpenQueue, PendingCheck } from './pending-check.ts'
import { type PolicyLookup, policyUnknown } from './policy-lookup.ts'
import type { CheckObserver, CheckOrigin } from './ports.ts'
import { Rechecks } from './rechecks.ts'
import { decideInOutage, tooManyTokens } from './without-store.ts'

/** From this number on, the checks of one request wait apart from those of others. */
const MANY_CHECKS = 100

export interface CheckerOptions {
  readonly policies: PolicyLookup
  /** Computes what the store needs of a policy at this time, unless it is known. */
  readonly prepare?: (policy: Policy) => void
  readonly openQueue: OpenQueue
  readonly denialCache: DenialCache
  readonly localBuckets: LocalBuckets
  readonly observer: CheckObserver
  /** For policies that name none. */
  readonly onStoreFailure: OnStoreFailure
  /** How many checks may wait, for the store or for another check's result. */
  readonly maxWaiting: number
}

/** May this key do this now? The use case of flow 1. The routes decide who may ask for which key. */
export class Checker {
  readonly #options: CheckerOptions
  readonly #queue: CheckQueue
  readonly #rechecks = new Rechecks()

  constructor(options: CheckerOptions) {
    this.#options = options
    this.#queue = options.openQueue((check, reading, nowMs) => this.#onReading(check, reading, nowMs))
  }

  /**
   * Calls back, at once or later, with the decision or with a problem: `policy-unknown`, `tokens-exceed-capacity`, `overloaded`,
   * or `store-unavailable` where the policy denies while the store is unavailable.
   * @param origin the call that asks
   */
  check(asked: AskedCheck, onResult: OnResult, origin?: CheckOrigin): void {
    const policy = this.#findPrepared(asked)
    const startMs = performance.now()
    if (policy !== undefined)
      this.#decide(pendingCheck(asked, policy, { startMs, index: 0, weight: 1, isOfMany: false, onResult, origin }))
    else void this.#decideAfterReread({ checks: [asked], startMs, isOfMany: false, onResult, origin }, 0)
  }

  /** About what these checks cost the process and the store, in checks by one limit. */
  weigh(checks: readonly AskedCheck[]): number {
    return weightOf(checks) + furtherLimitsWeight(checks, asked => this.#options.policies.find(asked))
  }

  /** Decides each check by itself, in order. Calls back as `check` does, once for each. */
  checkAll(checks: readonly AskedCheck[], onResult: OnResult, origin?: CheckOrigin): void {
    const policies = checks.map(asked => this.#findPrepared(asked))
    const startMs = performance.now()
    const isOfMany = checks.length >= MANY_CHECKS
    for (let index = 0; index < checks.length; index++) {
      const asked = checks[index] as AskedCheck
      const policy = policies[index]
      if (policy === undefined) {
        return void this.#decideAfterReread({ checks, startMs, isOfMany, onResult, origin }, index)
      }
      const weight = weightAt(checks, index)
      this.#decideInOrder(pendingCheck(asked, policy, { startMs, index, weight, isOfMany, onResult, origin }))
    }
  }

  /** Called before the time of a check begins, since the store has no part in what is computed here. */
  #findPrepared(asked: AskedCheck): Policy | undefined {
    const { policies, prepare } = this.#options
    const policy = policies.find(asked)
    if (policy !== undefined) prepare?.(policy)
    return policy
  }

  /** Decides the checks from an index on, once the log was read for the policies that they name. */
  async #decideAfterReread({ checks, ...arrival }: Arrival & Checks, from: number): Promise<void> {
    const { policies } = this.#options
    await policies.reread(checks.slice(from))
    for (let index = from; index < checks.length; index++) {
      const asked = checks[index] as AskedCheck
      const place = { ...arrival, index, weight: weightAt(checks, index) }
      isolate(place, () => {
        const policy = policies.find(asked)
        if (policy !== undefined) this.#decideInOrder(pendingCheck(asked, policy, place))
        else place.onResult(policyUnknown(asked), performance.now() - place.startMs, index)
      })
    }
  }

  /** Decides without the store if possible. Otherwise joins the same check in flight after a denial, or asks the store. */
  #decide(check: PendingCheck): void {
    if (this.#decideWithoutStore(check) || this.#rechecks.join(check)) return
    this.#askStore(check)
  }

  /** Like `#decide`, but joins no other check, which keeps the order. Spending makes the key's remembered denial obsolete. */
  #decideInOrder(check: PendingCheck): void {
    if (this.#decideWithoutStore(check)) return
    if (check.tokens !== 0) this.#options.denialCache.forgetOtherThan(check)
    this.#askStore(check)
  }

  #decideWithoutStore(check: PendingCheck): boolean {
    const result = refusalOf(check) ?? decideByMode(check) ?? this.#decideByDenial(check) ?? this.#overloaded()
    if (result === undefined) return false
    this.#complete(check, result, performance.now())
    return true
  }

  #decideByDenial(check: PendingCheck): Decision | undefined {
    const reading = this.#options.denialCache.recall(check)
    return reading && decideByBucket(check, reading, 'denied-cache')
  }

  #overloaded(): Problem | undefined {
    const { maxWaiting } = this.#options
    if (this.#queue.waiting + this.#rechecks.waiting < maxWaiting) return undefined
    return new Problem(
      'overloaded',
      `${maxWaiting} checks wait for the bucket store, as many as MAX_WAITING_CHECKS allows`,
    )
  }

  #askStore(check: PendingCheck): void {
    if (check.deadlineMs <= check.startMs) {
      this.#complete(check, this.#decideInOutage(check), check.startMs)
      return
    }
    const hadExpiredDenial = this.#options.denialCache.remove(check)
    if (hadExpiredDenial) this.#rechecks.begin(check)
    this.#queue.enqueue(check)
  }

  #onReading(check: PendingCheck, reading: BucketReading | undefined, nowMs: number): void {
    isolate(check, () => {
      const result = reading === undefined ? this.#decideInOutage(check) : this.#decideByReading(check, reading)
      this.#complete(check, result, nowMs)
    })
    for (const waiting of this.#rechecks.end(check)) isolate(waiting, () => this.#decide(waiting))
  }

  #decideByReading(check: PendingCheck, reading: BucketReading): Decision {
    const { denialCache, localBuckets } = this.#options
    const decision = decideByBucket(check, reading, 'redis')
    if (localBuckets.size > 0) noteAnswer(localBuckets, check, reading, reading.allowed ? check.tokens : 0)
    if (reading.allowed || chargesDenials(check.policy.definition, check.tokens)) {
      // What is spent has changed, so what is remembered of the key is no longer exact.
      if (check.tokens !== 0) denialCache.forget(check.key)
    } else if (!decision.allowed && decision.retryAfterMs !== null) {
      denialCache.remember(check, reading, decision.retryAfterMs, check.startMs)
    }
    return decision
  }

  #decideInOutage(check: PendingCheck): CheckResult {
    const { localBuckets, onStoreFailure } = this.#options
    return decideInOutage(check, onStoreFailure, asked => localBuckets.check(asked))
  }

  #complete(check: PendingCheck, result: CheckResult, nowMs: number): void {
    const { observer } = this.#options
    const tookMs = nowMs - check.startMs
    if (!(result instanceof Problem)) observer.decided(result, tookMs / 1000, check.origin?.id)
    else if (result.code === 'store-unavailable') observer.undecided(check, tookMs / 1000)
    check.onResult(result, tookMs, check.index)
  }
}

type Arrival = Pick<PendingCheck, 'startMs' | 'isOfMany' | 'onResult' | 'origin'>
type Place = Pick<PendingCheck, keyof Arrival | 'index' | 'weight'>

interface Checks {
  readonly checks: readonly AskedCheck[]
}

function pendingCheck(asked: AskedCheck, policy: Policy, place: Place): PendingCheck {
  const { key, tokens, isExcessDenied = false, deadlineMs = Number.POSITIVE_INFINITY } = asked
  const { startMs, index, weight, isOfMany, onResult, origin } = place
  return {
    key,
    policy,
    tokens,
    startMs,
    index,
    weight: weight * limitWeight(policy),
    isOfMany,
    isExcessDenied,
    deadlineMs,
    onResult,
    origin,
    isAnswered: false,
    recheck: undefined,
  }
}

function refusalOf(check: PendingCheck): Problem | undefined {
  return check.isExcessDenied ? undefined : tooManyTokens(check)
}

/** A bug that keeps one check from its result must not take the others of its batch along. */
function isolate(
  { startMs, index, onResult }: Pick<Place, 'startMs' | 'index' | 'onResult'>,
  decide: () => void,
): void {
  try {
    decide()
  } catch (cause) {
    const problem = new Problem('internal', 'the check could not be answered', { cause })
    onResult(problem, performance.now() - startMs, index)
  }
}
