import { type Decision, decideBesideBlocked, decideByBucket, decideByMode } from '../domain/decision.ts'
import { decideTogether, type GroupDecision } from '../domain/group-decision.ts'
import type { OnStoreFailure } from '../domain/policy.ts'
import type { BucketReading } from '../domain/reading.ts'
import { Problem } from '../lib/errors.ts'
import { answering, type OnAnswer } from './answering.ts'
import type { DenialCache } from './denial-cache.ts'
import type { LocalBuckets, LocalReading } from './local-buckets.ts'
import { noteAnswer } from './note-answer.ts'
import type { AskedCheck } from './pending-check.ts'
import type { BucketCheck, CheckObserver, CheckOrigin, GroupReading, HoldRefusal, HoldRequest } from './ports.ts'
import { type PreparedGroup, type PrepareGroupOptions, prepareGroup } from './prepare-group.ts'
import type { ReservationQueue } from './reservation-queue.ts'
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
export interface GroupOutcome {
  readonly decision: GroupDecision
  readonly reservation: GroupReading['reservation']
  readonly refusal: Refusal | undefined
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
   * Calls back, at once or later, with the decision or with a problem: `policy-unknown`, `tokens-exceed-capacity`, `keys-apart`,
   * `overloaded`, or `store-unavailable` where a policy denies while the store is unavailable, or where only the store knows whether a
   * request repeats an earlier one.
   * @param asked checks of different keys, at least one
   * @param options the call that asks, and what is held instead of spent
   */
  decide(asked: readonly AskedCheck[], onOutcome: OnAnswer<GroupOutcome>, options: DecideOptions = {}): void {
    answering(onOutcome, () => {
      const preparing = prepareGroup(asked, options.hold !== undefined, this.#options)
      if (preparing instanceof Promise) void this.#decideOncePrepared(preparing, onOutcome, options)
      else this.#decidePrepared(preparing, onOutcome, options)
    })
  }

  async #decideOncePrepared(
    preparing: Promise<PreparedGroup>,
    onOutcome: OnAnswer<GroupOutcome>,
    options: DecideOptions,
  ): Promise<void> {
    const prepared = await preparing.catch((problem: Problem) => problem)
    answering(onOutcome, () => {
      if (prepared instanceof Error) throw prepared
      this.#decidePrepared(prepared, onOutcome, options)
    })
  }

  #decidePrepared(
    { checks, problem }: PreparedGroup,
    onOutcome: OnAnswer<GroupOutcome>,
    { origin, hold }: DecideOptions,
  ): void {
    const group = { checks, origin, hold, startMs: performance.now(), onOutcome, repeated: undefined }
    if (problem === undefined) this.#decide(group)
    else this.#findAgain(group, problem)
  }

  /**
   * Decides a request that is refused now, but is allowed if it repeats an earlier one: a policy has changed since.
   * @throws {Problem} why it is refused
   */
  #findAgain(group: PendingGroup, problem: Problem): void {
    const { checks, hold } = group
    if (hold?.isNew !== false) throw problem
    this.#ask(group, [], found => {
      if (found === undefined) throw new Problem('store-unavailable', REPETITION_UNKNOWN)
      if (found.reservation === undefined && found.refusal === undefined) throw problem
      const looks = checks.map(check => ({ ...check, tokens: 0 }))
      this.#decide({ ...group, checks: looks, hold: undefined, repeated: found })
    })
  }

  #decide(group: PendingGroup): void {
    const { checks, hold } = group
    const counted = checks.filter(isCounted)
    if (checks.some(isBlocked)) this.#complete(group, checks.map(decideWithoutBucket))
    else if (counted.length > 0 || hold?.isNew === false) this.#decideByStore(group, counted)
    else this.#complete(group, checks.map(decideWithoutBucket))
  }

  #decideByStore(group: PendingGroup, counted: readonly BucketCheck[]): void {
    const startMs = performance.now()
    this.#ask(group, counted, reading => {
      const decisions = reading
        ? this.#decideByReading(group, counted, reading)
        : this.#decideInOutage(counted, startMs)
      this.#complete(group, withUncounted(group.checks, decisions), reading)
    })
  }

  #decideByReading(group: PendingGroup, checks: readonly BucketCheck[], reading: GroupReading): readonly Decision[] {
    this.#learn(checks, reading, group.hold !== undefined)
    const readings = group.repeated ? reading.readings.map(allowing) : reading.readings
    return checks.map((check, i) => decideByBucket(check, readings[i] as BucketReading, 'redis'))
  }

  /** @throws {Problem} `overloaded` */
  #ask(
    { origin, hold, onOutcome }: PendingGroup,
    checks: readonly BucketCheck[],
    onReading: (reading: GroupReading | undefined) => void,
  ): void {
    const { queue, maxWaiting } = this.#options
    if (this.#waiting >= maxWaiting) {
      const detail = `${maxWaiting} checks of groups and reservations wait for the bucket store, as many as MAX_WAITING_CHECKS allows`
      throw new Problem('overloaded', detail)
    }
    queue.checkAll({ checks, shadowed: checks.map(isShadowed), origin, hold }, reading => {
      this.#waiting -= checks.length
      answering(onOutcome, () => onReading(reading))
    })
    this.#waiting += checks.length
  }

  #complete(group: PendingGroup, decisions: readonly Decision[], reading?: GroupReading): void {
    const { checks, startMs, origin, onOutcome, repeated } = group
    const decision = decideTogether(decisions)
    const { reservation, refusal } = (decision.allowed ? repeated : undefined) ?? reading ?? NOTHING_HELD
    if (refusal === undefined) this.#observe(decision, (performance.now() - startMs) / 1000, origin?.id)
    onOutcome({ decision, reservation, refusal: refusal && refusalOf(refusal, checks.filter(isCounted)) })
  }

  /** What was spent or held makes the remembered denials of these keys obsolete. */
  #learn(checks: readonly BucketCheck[], { allowed, readings }: GroupReading, isHold: boolean): void {
    const { denialCache, localBuckets } = this.#options
    checks.forEach((check, i) => {
      const reading = readings[i] as BucketReading
      if (allowed) denialCache.forget(check.key)
      const spent = allowed && reading.allowed && !isHold ? check.tokens : 0
      if (localBuckets.size > 0) noteAnswer(localBuckets, check, reading, spent)
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
  readonly hold?: HoldRequest
}

/** A group that waits for its decision. */
interface PendingGroup {
  readonly checks: readonly BucketCheck[]
  readonly origin: CheckOrigin | undefined
  readonly hold: HoldRequest | undefined
  readonly startMs: number
  readonly onOutcome: OnAnswer<GroupOutcome>
  /** What the store found of the earlier request that this one repeats. Then this one is allowed, whatever is left now. */
  readonly repeated: GroupReading | undefined
}

const NOTHING_HELD: Pick<GroupReading, 'reservation' | 'refusal'> = {}

function isBlocked({ policy }: BucketCheck): boolean {
  return policy.definition.mode === 'block'
}

function isCounted({ policy }: BucketCheck): boolean {
  return policy.definition.mode !== 'off'
}

function isShadowed({ policy }: BucketCheck): boolean {
  return policy.definition.mode === 'shadow'
}

/** Of a check that is not counted, or in a group of which one is blocked. */
function decideWithoutBucket(check: BucketCheck): Decision {
  return decideByMode(check) ?? decideBesideBlocked(check)
}

/** The decisions of all checks, in their order. @param decisions of those that are counted */
function withUncounted(checks: readonly BucketCheck[], decisions: readonly Decision[]): readonly Decision[] {
  if (decisions.length === checks.length) return decisions
  const ofCounted = decisions.values()
  return checks.map(check => decideByMode(check) ?? (ofCounted.next().value as Decision))
}

function allowing({ violated: _, ...reading }: BucketReading): BucketReading {
  return { ...reading, allowed: true }
}

function refusalOf(refusal: HoldRefusal, checks: readonly BucketCheck[]): Refusal {
  if (refusal.reason === 'idempotency-key-reused') return refusal
  const { reason, index, retryAfterMs } = refusal
  return { reason, check: checks[index] as BucketCheck, retryAfterMs }
}
