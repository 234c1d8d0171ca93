import { type Decision, decideByBucket, decideByMode, isWithinLimits } from '../domain/decision.ts'
import { decideTogether, type GroupDecision } from '../domain/group-decision.ts'
import type { Policy } from '../domain/policy.ts'
import type { BucketReading } from '../domain/reading.ts'
import type { NamedKey, Reservation } from '../domain/reservation.ts'
import { parseReservationId, type ReservationId } from '../domain/reservation-id.ts'
import { Problem } from '../lib/errors.ts'
import { answering, type OnAnswer } from './answering.ts'
import type { OnReply } from './batched-calls.ts'
import type { DenialCache } from './denial-cache.ts'
import type { GroupChecker, GroupOutcome } from './group-checker.ts'
import type { PolicyLookup } from './policy-lookup.ts'
import type {
  Amounts,
  CheckOrigin,
  ExtensionResult,
  ReservationObserver,
  SettledKey,
  Settlement,
  SettlementResult,
} from './ports.ts'
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
  readonly held: { readonly id: ReservationId; readonly expiresAtMs: number } | undefined
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
   * Holds tokens of each key, if all of them allow. The problems are those of `GroupChecker.decide`, `too-many-reservations` and
   * `idempotency-key-reused`.
   */
  reserve(request: ReservationRequest, onReserved: OnAnswer<Reserved>): void {
    const hold = requestedHold(request)
    const onOutcome = (outcome: GroupOutcome | Problem) =>
      onReserved(outcome instanceof Problem ? outcome : this.#reserved(request, hold.id, outcome))
    this.#options.groups.decide(request.checks, onOutcome, { origin: request.origin, hold })
  }

  /**
   * Charges what the work cost, and gives back the rest of what was held. Repeating it changes nothing. The problems are
   * `reservation-not-found`, `reservation-ended`, `store-unavailable`, and `validation-failed` if the amounts are for other keys.
   */
  settle(text: string, amounts: Exclude<Amounts, 'release'>, onSettled: OnAnswer<Settled>, origin?: CheckOrigin): void {
    this.#end(text, { amounts, origin }, onSettled, (id, keys) => {
      return { id, keys, decision: decideTogether(keys.map(decisionAfter)) }
    })
  }

  /**
   * Gives back all that was held. Repeating it changes nothing. The problems are `reservation-not-found`, `reservation-ended` and
   * `store-unavailable`.
   */
  release(text: string, onReleased: OnAnswer<void>, origin?: CheckOrigin): void {
    this.#end(text, { amounts: 'release', origin }, onReleased, () => undefined)
  }

  /**
   * Moves the expiry, and answers with it, in ms since 1970. The problems are those of `release`.
   * @param ttlMs from now; as at the start if absent
   */
  extend(text: string, ttlMs: number | undefined, onExtended: OnAnswer<number>, origin?: CheckOrigin): void {
    const ask: Ask<ExtensionResult> = (id, onReply) => this.#options.queue.extend({ id, origin, ttlMs }, onReply)
    answerByReply(text, ask, onExtended, (id, result) => {
      if (result.status === 'not-found') throw reservationNotFound(id)
      if (result.status === 'ended') throw reservationEnded(id, result.ended)
      return result.expiresAtMs
    })
  }

  /** The problems are `reservation-not-found` and `store-unavailable`. */
  read(text: string, onReservation: OnAnswer<Reservation>): void {
    const ask: Ask<Reservation | null> = (id, onReply) => this.#options.queue.read(id, onReply)
    answerByReply(text, ask, onReservation, (id, reservation) => {
      if (reservation === null) throw reservationNotFound(id)
      return reservation
    })
  }

  #reserved(request: ReservationRequest, id: ReservationId, outcome: GroupOutcome): Reserved | Problem {
    this.#observe(outcome)
    const { decision, reservation, refusal } = outcome
    if (refusal !== undefined) return refusalProblem(refusal, request)
    return { decision, held: reservation && { id, expiresAtMs: reservation.expiresAtMs } }
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

  #end<Answer>(
    text: string,
    asked: Pick<Settlement, 'amounts' | 'origin'>,
    onAnswer: OnAnswer<Answer>,
    answerOf: (id: ReservationId, keys: readonly SettledKey[]) => Answer,
  ): void {
    const { amounts, origin } = asked
    const ask: Ask<SettlementResult> = (id, onReply) =>
      this.#options.queue.settle({ id, amounts, origin, policyOf: this.#policyOf }, onReply)
    answerByReply(text, ask, onAnswer, (id, result) => answerOf(id, this.#ended(id, result)))
  }

  /** Returns the keys of a reservation that has ended. @throws {Problem} if it has not, or otherwise than was asked */
  #ended(id: ReservationId, result: SettlementResult): readonly SettledKey[] {
    const { denialCache, observer } = this.#options
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

/** Asks the store about a reservation. */
type Ask<Reply> = (id: ReservationId, onReply: OnReply<Reply>) => void

/** Asks the store about the reservation with this id, and answers with what its reply means, or with the problem that it means. */
function answerByReply<Reply, Answer>(
  text: string,
  ask: Ask<Reply>,
  onAnswer: OnAnswer<Answer>,
  meaningOf: (id: ReservationId, reply: Reply) => Answer,
): void {
  answering(onAnswer, () => {
    const id = parseReservationId(text)
    if (id === undefined) throw reservationNotFound(text)
    ask(id, reply => {
      answering(onAnswer, () => {
        if (reply === undefined) throw new Problem('store-unavailable', 'the bucket store is unavailable; try again')
        onAnswer(meaningOf(id, reply))
      })
    })
  })
}
