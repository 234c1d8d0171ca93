import { type Json, within } from './http-service.ts'
import { isObject } from './read-decision.ts'
import type { Charge, Settlement } from './reservation.ts'
import type { ReservationBody, ReservationService } from './reservation-service.ts'
import { ServiceError } from './service-error.ts'

/** How a hold ends: it is settled with these amounts (by default, what was reserved), or released. */
export type HoldEnd = { readonly amounts: number | readonly Charge[] | undefined } | 'released'

/** Errors of connections that were never opened. */
const NEVER_SENT: readonly unknown[] = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN']

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
  /** `null` if nothing is held, `undefined` until the service has answered. */
  #id: string | null | undefined
  #expiresAtMs: number

  /** @param timeoutMs how long each call waits for its answer */
  constructor(service: ReservationService, body: ReservationBody, timeoutMs: number) {
    this.#service = service
    this.#body = body
    this.#timeoutMs = timeoutMs
    this.ttlMs = body.ttlMs
    this.#expiresAtMs = performance.now() + this.ttlMs
  }

  /** `false` also if the service has not answered whether it holds anything. */
  get isHeld(): boolean {
    return typeof this.#id === 'string'
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
      if (this.#id === undefined) await this.#reserve(signal)
      if (typeof this.#id !== 'string') return { status: 'none', checks: [] }
      if (end !== 'released') {
        return { status: 'settled', checks: await this.#service.settle(this.#id, end.amounts, signal) }
      }
      await this.#service.release(this.#id, signal)
      return { status: 'released', checks: [] }
    })
  }

  /** Starts its time to live again. */
  async extend(): Promise<void> {
    const id = this.#id
    if (typeof id !== 'string') return
    await within(this.#timeoutMs, signal => this.#service.extend(id, this.ttlMs, signal))
    this.#expiresAtMs = performance.now() + this.ttlMs
  }

  async #reserve(signal: AbortSignal): Promise<Json> {
    const { id, answer } = await this.#service.reserve(this.#body, this.#idempotencyKey, signal)
    this.#id = id
    this.#expiresAtMs = performance.now() + this.ttlMs
    return answer
  }
}

/** Whether the service may hold tokens although it gave no decision, because its answer was lost. */
export function mayBeHeld(failure: unknown): boolean {
  return isTemporary(failure) && !(failure instanceof ServiceError) && !NEVER_SENT.includes(codeOfCause(failure))
}

/** Whether sending the same again may help. A value that cannot be written as JSON is a TypeError without a cause. */
export function isTemporary(failure: unknown): boolean {
  if (failure instanceof ServiceError) return failure.status >= 500
  return !(isObject(failure) && failure['name'] === 'TypeError') || isDisconnection(failure)
}

/** Of all errors of `fetch`, only that of a connection has a cause. */
function isDisconnection(failure: unknown): boolean {
  return causeOf(failure) !== undefined
}

function codeOfCause(failure: unknown): unknown {
  const cause = causeOf(failure)
  return isObject(cause) ? cause['code'] : undefined
}

function causeOf(failure: unknown): unknown {
  return isObject(failure) ? failure['cause'] : undefined
}
