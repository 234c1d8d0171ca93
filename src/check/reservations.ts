import { type Decision, decideByBucket, decideByMode, isWithinLimits } from '../domain/decision.ts'
import { decideTogether, type GroupDecision } from '../domain/group-decision.ts'
import type { Policy } from '../domain/policy.ts'
import type { BucketReading } from '../domain/reading.ts'
import type { NamedKey, Reservation } from '../domain/reservation.ts'
import { parseReservationId, type ReservationId } from '../domain/reservation-id.ts'
import { Problem } from '../lib/errors.ts'
import type { DenialCache } from './denial-cache.ts'
import type { GroupChecker, GroupOutcome } from './group-checker.ts'
import type { PolicyLookup } from './policy-lookup.ts'
import type { Amounts, CheckOrigin, ReservationObserver, SettledKey, SettlementResult } from './ports.ts'
import { type ReservationRequest, requestedHold } from './requested-hold.ts'
import { keysDiffer, refusalProblem, reservationEnded, reservationNotFound } from './reservation-problems.ts'
import type { ReservationQueue } from './reservation-queue.ts'

interface ReservationsOptions {
  readonly groups: GroupChecker
  readonly queue: Pick<ReservationQueue, 'settle' | 'extend' | 'read'>
  readonly policies: PolicyLookup
  /** Computes what the store needs of a policy at this time, unless it is known. */
  readonly prepare: (policy: Policy) => void
  readonly denialCache: DenialCache
  readonly observer: ReservationObserver
}

/** What was decided, and what is held: nothing if the request is denied, or allowed only because nothing is counted. */
export interface Reserved {
  readonly decision: GroupDecision
  readonly held?: { readonly id: ReservationId; readonly expiresAtMs: number }
}

export interface Settled {
  readonly id: ReservationId
  readonly keys: readonly SettledKey[]
  /** Of checks of 0 tokens after settling. */
  readonly decision: GroupDecision
}

/** Tokens held for work in progress, and settled when its cost is known. */
export class Reservations {
  readonly #options: ReservationsOptions

  constructor(options: ReservationsOptions) {
    this.#options = options
  }

  /**
   * Holds tokens of each key, if all of them allow.
   * @throws {Problem} those of `GroupChecker.decide`, `too-many-reservations`, `idempotency-key-reused`
   */
  async reserve(request: ReservationRequest): Promise<Reserved> {
    const hold = requestedHold(request)
    const outcome = await this.#options.groups.decide(request.checks, { origin: request.origin, hold })
    this.#observe(outcome)
    const { decision, reservation, refusal } = outcome
    if (refusal !== undefined) throw refusalProblem(refusal, request)
    return { decision, ...(reservation && { held: { id: hold.id, expiresAtMs: reservation.expiresAtMs } }) }
  }

  /**
   * Charges what the work cost, and gives back the rest of what was held. Repeating it changes nothing.
   * @throws {Problem} `reservation-not-found`, `reservation-ended`, `validation-failed` if the amounts are for other keys,
   * `store-unavailable`
   */
  async settle(text: string, amounts: Exclude<Amounts, 'release'>, origin?: CheckOrigin): Promise<Settled> {
    const id = parsed(text)
    const keys = this.#ended(id, await this.#end(id, amounts, origin))
    return { id, keys, decision: decideTogether(keys.map(decisionAfter)) }
  }

  /**
   * Gives back all that was held. Repeating it changes nothing.
   * @throws {Problem} `reservation-not-found`, `reservation-ended`, `store-unavailable`
   */
  async release(text: string, origin?: CheckOrigin): Promise<void> {
    const id = parsed(text)
    this.#ended(id, await this.#end(id, 'release', origin))
  }

  /**
   * Moves the expiry. Returns it, in ms since 1970.
   * @param ttlMs from now; as at the start if absent
   * @throws {Problem} `reservation-not-found`, `reservation-ended`, `store-unavailable`
   */
  async extend(text: string, ttlMs: number | undefined, origin?: CheckOrigin): Promise<number> {
    const id = parsed(text)
    const result = available(await this.#options.queue.extend({ id, origin, ...(ttlMs !== undefined && { ttlMs }) }))
    if (result.status === 'not-found') throw reservationNotFound(id)
    if (result.status === 'ended') throw reservationEnded(id, result.ended)
    return result.expiresAtMs
  }

  /** @throws {Problem} `reservation-not-found`, `store-unavailable` */
  async read(text: string): Promise<Reservation> {
    const id = parsed(text)
    const reservation = available(await this.#options.queue.read(id))
    if (reservation === null) throw reservationNotFound(id)
    return reservation
  }

  #observe({ decision, reservation, refusal }: GroupOutcome): void {
    const { observer } = this.#options
    if (refusal?.reason === 'too-many-reservations') observer.reserved(refusal.check, 'denied')
    if (refusal !== undefined || reservation?.isRepeated) return
    for (const result of decision.results) {
      if (!result.allowed) observer.reserved(result, 'denied')
      else if (reservation !== undefined && isHeld(result)) observer.reserved(result, 'held')
    }
  }

  #end(id: ReservationId, amounts: Amounts, origin: CheckOrigin | undefined): Promise<SettlementResult | undefined> {
    return this.#options.queue.settle({ id, amounts, origin, policyOf: this.#policyOf })
  }

  /** Returns the keys of a reservation that has ended. @throws {Problem} if it has not, or otherwise than was asked */
  #ended(id: ReservationId, settled: SettlementResult | undefined): readonly SettledKey[] {
    const { denialCache, observer } = this.#options
    const result = available(settled)
    if (result.status === 'not-found') throw reservationNotFound(id)
    if (result.status === 'ended') throw reservationEnded(id, result.ended)
    if (result.status === 'keys-differ') throw keysDiffer(result.keys)
    // What is free again makes the remembered denials of these keys obsolete.
    for (const key of result.keys) {
      denialCache.forget(key.key)
      if (!result.isRepeated && key.reserved !== undefined) observer.ended(key, result.status)
    }
    return result.keys
  }

  /** A policy that the caller named may be gone by now. */
  readonly #policyOf = (named: NamedKey): Policy => {
    const { policies, prepare } = this.#options
    const { key, tokens } = named
    const policy = policies.find(named) ?? (policies.find({ key, tokens }) as Policy)
    prepare(policy)
    return policy
  }
}

/** Nothing is held of a key that is not counted, or that only the mode `shadow` allows. */
function isHeld(result: Decision): boolean {
  return result.source === 'redis' && isWithinLimits(result)
}

function decisionAfter({ key, policy, reading }: SettledKey) {
  const check = { key, policy, tokens: 0 }
  return decideByMode(check) ?? decideByBucket(check, reading as BucketReading, 'redis')
}

function parsed(text: string): ReservationId {
  const id = parseReservationId(text)
  if (id === undefined) throw reservationNotFound(text)
  return id
}

function available<T>(result: T | undefined): T {
  if (result === undefined) throw new Problem('store-unavailable', 'the bucket store is unavailable; try again')
  return result
}
