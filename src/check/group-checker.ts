import { type Decision, decideBesideBlocked, decideByBucket, decideByMode } from '../domain/decision.ts'
import { decideTogether, type GroupDecision } from '../domain/group-decision.ts'
import type { OnStoreFailure } from '../domain/policy.ts'
import type { BucketReading } from '../domain/reading.ts'
import { Problem } from '../lib/errors.ts'
import type { DenialCache } from './denial-cache.ts'
import type { LocalBuckets, LocalReading } from './local-buckets.ts'
import type { AskedCheck } from './pending-check.ts'
import type {
  BucketCheck,
  CheckGroup,
  CheckObserver,
  CheckOrigin,
  GroupReading,
  HoldRefusal,
  RequestedHold,
} from './ports.ts'
import { type PrepareGroupOptions, prepareGroup } from './prepare-group.ts'
import type { ReservationQueue } from './reservation-queue.ts'
import { wasFull } from './was-full.ts'
import { decideInOutage } from './without-store.ts'

export interface GroupCheckerOptions extends PrepareGroupOptions {
  readonly queue: Pick<ReservationQueue, 'checkAll'>
  readonly denialCache: DenialCache
  readonly localBuckets: LocalBuckets
  readonly observer: Pick<CheckObserver, 'decided' | 'undecided'>
  /** For policies that name none. */
  readonly onStoreFailure: OnStoreFailure
  /** How many checks of groups may wait for the store. */
  readonly maxWaiting: number
}

/** A decision; and for a reservation what is held, or why nothing is, though the limits allow it. */
export interface GroupOutcome extends Pick<GroupReading, 'reservation'> {
  readonly decision: GroupDecision
  readonly refusal?: Refusal
}

export type Refusal =
  | { readonly reason: 'idempotency-key-reused' }
  | { readonly reason: 'too-many-reservations'; readonly check: BucketCheck; readonly retryAfterMs: number }

const REPETITION_UNKNOWN =
  'the bucket store is unavailable, and only it knows whether the request repeats an earlier one; try again'

/** May all these keys do this now? Decides checks of different keys together: all are allowed, or nothing is spent. */
export class GroupChecker {
  readonly #options: GroupCheckerOptions
  #waiting = 0

  constructor(options: GroupCheckerOptions) {
    this.#options = options
  }

  /**
   * @param asked checks of different keys, at least one
   * @param options the call that asks, and what is held instead of spent
   * @throws {Problem} `policy-unknown`, `tokens-exceed-capacity`, `keys-apart`, `overloaded`, or `store-unavailable` where a policy
   * denies while the store is unavailable, or where only the store knows whether a request repeats an earlier one
   */
  async decide(asked: readonly AskedCheck[], { origin, hold }: DecideOptions = {}): Promise<GroupOutcome> {
    const preparing = prepareGroup(asked, hold !== undefined, this.#options)
    const { checks, problem } = preparing instanceof Promise ? await preparing : preparing
    const startMs = performance.now()
    const request = { origin, ...(hold && { hold: { ...hold, named: asked } }) }
    const outcome = await (problem ? this.#findAgain(checks, request, problem) : this.#decide(checks, request))
    if (outcome.refusal === undefined) this.#observe(outcome.decision, (performance.now() - startMs) / 1000, origin?.id)
    return outcome
  }

  /**
   * Decides a request that is refused now, but is allowed if it repeats an earlier one: a policy has changed since.
   * @throws {Problem} why it is refused
   */
  async #findAgain(checks: readonly BucketCheck[], request: GroupRequest, problem: Problem): Promise<GroupOutcome> {
    if (request.hold?.isNew !== false) throw problem
    const found = await this.#ask({ ...request, checks: [], shadowed: [] })
    if (found === undefined) throw new Problem('store-unavailable', REPETITION_UNKNOWN)
    const { reservation, refusal } = found
    if (reservation === undefined && refusal === undefined) throw problem
    const looks = checks.map(check => ({ ...check, tokens: 0 }))
    const outcome = await this.#decide(looks, { origin: request.origin, isFoundAgain: true })
    if (!outcome.decision.allowed) return outcome
    return { ...outcome, ...(reservation && { reservation }), ...(refusal && { refusal: refusalOf(refusal, checks) }) }
  }

  async #decide(checks: readonly BucketCheck[], request: GroupRequest): Promise<GroupOutcome> {
    const byMode = checks.map(decideByMode)
    if (byMode.some(decision => decision?.blocked)) {
      return { decision: decideTogether(checks.map((check, i) => byMode[i] ?? decideBesideBlocked(check))) }
    }
    const counted = checks.filter((_, i) => byMode[i] === undefined)
    const asksStore = counted.length > 0 || request.hold?.isNew === false
    if (!asksStore) return { decision: decideTogether(byMode as readonly Decision[]) }
    const startMs = performance.now()
    const reading = await this.#ask({ ...request, checks: counted, shadowed: counted.map(isShadowed) })
    const { decisions, ...held } = reading
      ? this.#decideByReading(counted, reading, request)
      : { decisions: this.#decideInOutage(counted, startMs) }
    const ofCounted = decisions.values()
    const results = byMode.map(decision => decision ?? (ofCounted.next().value as Decision))
    return { decision: decideTogether(results), ...held }
  }

  #decideByReading(checks: readonly BucketCheck[], reading: GroupReading, request: GroupRequest): CountedDecisions {
    this.#learn(checks, reading, request.hold !== undefined)
    const { reservation, refusal } = reading
    const readings = request.isFoundAgain ? reading.readings.map(allowing) : reading.readings
    return {
      decisions: checks.map((check, i) => decideByBucket(check, readings[i] as BucketReading, 'redis')),
      ...(reservation && { reservation }),
      ...(refusal && { refusal: refusalOf(refusal, checks) }),
    }
  }

  async #ask(group: CheckGroup): Promise<GroupReading | undefined> {
    const { queue, maxWaiting } = this.#options
    const { length } = group.checks
    if (this.#waiting >= maxWaiting) {
      const detail = `${maxWaiting} checks of groups and reservations wait for the bucket store, as many as MAX_WAITING_CHECKS allows`
      throw new Problem('overloaded', detail)
    }
    this.#waiting += length
    try {
      return await queue.checkAll(group)
    } finally {
      this.#waiting -= length
    }
  }

  /** What was spent or held makes the remembered denials of these keys obsolete. */
  #learn(checks: readonly BucketCheck[], { allowed, readings }: GroupReading, isHold: boolean): void {
    const { denialCache, localBuckets } = this.#options
    checks.forEach((check, i) => {
      const reading = readings[i] as BucketReading
      if (allowed) denialCache.forget(check.key)
      const spent = allowed && reading.allowed && !isHold ? check.tokens : 0
      if (localBuckets.size > 0 && wasFull(check, reading, spent)) localBuckets.foundFull(check)
    })
  }

  /**
   * Looks at all local buckets before it spends from any.
   * @throws {Problem} `store-unavailable` if one of the policies denies in an outage
   */
  #decideInOutage(checks: readonly BucketCheck[], startMs: number): readonly Decision[] {
    const { localBuckets, onStoreFailure } = this.#options
    const decide = (check: BucketCheck, read: (check: BucketCheck) => LocalReading) => {
      const result = decideInOutage(check, onStoreFailure, read)
      if (!(result instanceof Problem)) return result
      this.#options.observer.undecided(check, (performance.now() - startMs) / 1000)
      throw result
    }
    const previews = checks.map(check => decide(check, asked => localBuckets.preview(asked)))
    if (previews.some(({ allowed }) => !allowed)) return previews
    return checks.map(check => decide(check, asked => localBuckets.checkInGroup(asked)))
  }

  /** A check of a denied group counts only if it denies: the others were neither admitted nor denied. */
  #observe({ allowed, results }: GroupDecision, seconds: number, requestId: string | undefined): void {
    const { observer } = this.#options
    for (const result of results) if (allowed || !result.allowed) observer.decided(result, seconds, requestId)
  }
}

interface DecideOptions {
  readonly origin?: CheckOrigin | undefined
  readonly hold?: RequestedHold
}

/** What a group has besides its checks. */
interface GroupRequest extends Pick<CheckGroup, 'origin' | 'hold'> {
  /** The request repeats a reservation that was found, so it is allowed, whatever is left now. */
  readonly isFoundAgain?: true
}

interface CountedDecisions extends Omit<GroupOutcome, 'decision'> {
  readonly decisions: readonly Decision[]
}

function allowing({ violated: _, ...reading }: BucketReading): BucketReading {
  return { ...reading, allowed: true }
}

function refusalOf(refusal: HoldRefusal, checks: readonly BucketCheck[]): Refusal {
  if (refusal.reason === 'idempotency-key-reused') return refusal
  const { reason, index, retryAfterMs } = refusal
  return { reason, check: checks[index] as BucketCheck, retryAfterMs }
}

function isShadowed({ policy }: BucketCheck): boolean {
  return policy.definition.mode === 'shadow'
}
