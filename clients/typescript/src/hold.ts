import { isDisconnection, isWithoutEffect } from './failure-kinds.ts'
import { type Json, within } from './http-service.ts'
import { isObject } from './read-decision.ts'
import type { Charge, Settlement } from './reservation.ts'
import type { ReservationBody, ReservationService } from './reservation-service.ts'
import { ServiceError } from './service-error.ts'

/** How a hold ends: it is settled with these amounts (by default, what was reserved), or released. */
export type HoldEnd = { readonly amounts: number | readonly Charge[] | undefined } | 'released'

/**
 * What the service holds for one reservation. Every request for it has the same `Idempotency-Key`, so if an answer is
 * lost, the next request finds the same hold.
 */
export class Hold {
  readonly ttlMs: number
  readonly #service: ReservationService
  readonly #body: ReservationBody
  readonly #timeoutMs: number
  readonly #idempotencyKey = crypto.randomUUID()
  /** `undefined` unless the service has answered that it holds something. */
  #id: string | undefined
  /** Whether a request may have been executed that gave no answer about it. */
  #isUnknown = false
  #expiresAtMs: number

  /** @param timeoutMs how long each call waits for its answer */
  constructor(service: ReservationService, body: ReservationBody, timeoutMs: number) {
    this.#service = service
    this.#body = body
    this.#timeoutMs = timeoutMs
    this.ttlMs = body.ttlMs
    this.#expiresAtMs = performance.now() + this.ttlMs
  }

  /** `false` also if nobody knows whether anything is held. */
  get isHeld(): boolean {
    return this.#id !== undefined
  }

  /** Whether there may be something to settle or release. */
  get mayBeHeld(): boolean {
    return this.isHeld || this.#isUnknown
  }

  /** When it expires at the latest, by `performance.now()`. */
  get expiresAtMs(): number {
    return this.#expiresAtMs
  }

  /** @returns the answer of the service: a decision */
  reserve(): Promise<Json> {
    return within(this.#timeoutMs, async signal => {
      try {
        return await this.#reserve(signal)
      } catch (failure) {
        if (!isDisconnection(failure)) throw failure
        return await this.#reserve(signal)
      }
    })
  }

  end(end: HoldEnd): Promise<Settlement> {
    return within(this.#timeoutMs, async signal => {
      const id = await this.#find(signal)
      if (id === undefined) return { status: 'none', checks: [] }
      if (end !== 'released') return { status: 'settled', checks: await this.#service.settle(id, end.amounts, signal) }
      await this.#service.release(id, signal)
      return { status: 'released', checks: [] }
    })
  }

  /** Starts its time to live again. */
  async extend(): Promise<void> {
    const id = this.#id
    if (id === undefined) return
    await within(this.#timeoutMs, signal => this.#service.extend(id, this.ttlMs, signal))
    this.#expiresAtMs = performance.now() + this.ttlMs
  }

  /** The id of what is held. @throws if that is still unknown */
  async #find(signal: AbortSignal): Promise<string | undefined> {
    if (!this.isHeld && this.#isUnknown) await this.#reserve(signal)
    if (!this.isHeld && this.#isUnknown) throw stillUnknown()
    return this.#id
  }

  async #reserve(signal: AbortSignal): Promise<Json> {
    try {
      const { id, answer } = await this.#service.reserve(this.#body, this.#idempotencyKey, signal)
      this.#id = id ?? undefined
      // Without the store, an answer says nothing about an earlier request.
      if (!isDegraded(answer)) this.#isUnknown = false
      this.#expiresAtMs = performance.now() + this.ttlMs
      return answer
    } catch (failure) {
      // A later request that is refused says nothing about an earlier one either.
      this.#isUnknown ||= !isWithoutEffect(failure)
      throw failure
    }
  }
}

/** Whether a key was decided without the bucket store. */
function isDegraded(answer: Json): boolean {
  const { results } = answer
  const decisions: readonly unknown[] = Array.isArray(results) ? [answer, ...results] : [answer]
  return decisions.some(decision => isObject(decision) && decision['degraded'] === true)
}

function stillUnknown(): ServiceError {
  return new ServiceError({
    status: 503,
    code: 'store-unavailable',
    title: 'The bucket store is unavailable',
    detail: 'only it knows whether anything is held',
  })
}
