import type { HttpService, Json } from './http-service.ts'
import { isObject } from './read-decision.ts'
import type { Charge, SettledCharge } from './reservation.ts'

/** What is reserved: `key`, `tokens` and `policy`, or `checks`; and for how long. */
export interface ReservationBody extends Json {
  readonly ttlMs: number
  readonly onExpiry: 'charge' | 'release' | undefined
}

/** The reservations of the service. */
export class ReservationService {
  readonly #http: HttpService

  constructor(http: HttpService) {
    this.#http = http
  }

  /**
   * @param idempotencyKey repeating a reservation under it finds the same one
   * @returns its id, `null` if nothing is held, and the rest of the answer, which is the decision
   */
  async reserve(
    body: ReservationBody,
    idempotencyKey: string,
    signal: AbortSignal,
  ): Promise<{ id: string | null; answer: Json }> {
    const response = await this.#http.call({ path: '/reservations', body, idempotencyKey, signal })
    const { id = null, expiresAt: _, ...answer } = response
    if (id !== null && typeof id !== 'string') return this.#http.refuse(response)
    return { id, answer }
  }

  /** @param amounts what each key is charged; without it, what was reserved */
  async settle(
    id: string,
    amounts: number | readonly Charge[] | undefined,
    signal: AbortSignal,
  ): Promise<readonly SettledCharge[]> {
    const body = typeof amounts === 'object' ? { checks: amounts } : { tokens: amounts }
    const answer = await this.#http.call({
      path: `${pathOf(id)}/settle`,
      body: amounts === undefined ? undefined : body,
      signal,
    })
    const { checks } = answer
    return isCharges(checks) ? checks : this.#http.refuse(answer)
  }

  async release(id: string, signal: AbortSignal): Promise<void> {
    await this.#http.call({ method: 'DELETE', path: pathOf(id), signal })
  }

  /** @param ttlMs counts from now */
  async extend(id: string, ttlMs: number, signal: AbortSignal): Promise<void> {
    await this.#http.call({ path: `${pathOf(id)}/extend`, body: { ttlMs }, signal })
  }
}

function pathOf(id: string): string {
  return `/reservations/${encodeURIComponent(id)}`
}

function isCharges(checks: unknown): checks is readonly SettledCharge[] {
  return Array.isArray(checks) && checks.every(isCharge)
}

function isCharge(check: unknown): boolean {
  return (
    isObject(check) &&
    typeof check['key'] === 'string' &&
    Number.isSafeInteger(check['tokens']) &&
    Number.isSafeInteger(check['charged'])
  )
}
