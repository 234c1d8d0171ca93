import { isDeepStrictEqual } from 'node:util'
import { decision, type FakeCall, problem } from './fake-service.ts'

type Response = Parameters<typeof problem>[0]

interface FakeHold {
  readonly id: string
  readonly checks: readonly { readonly key: string; readonly tokens: number }[]
  readonly ttlMs: number
  status: 'held' | 'settled' | 'released'
  /** Once it is settled. */
  charges?: readonly { readonly key: string; readonly tokens: number; readonly charged: number }[]
}

/** The reservations of a service with one bucket for all keys, which does not refill. */
export class FakeReservations {
  readonly holds: FakeHold[] = []
  readonly #capacity: number
  readonly #byIdempotencyKey = new Map<string | undefined, FakeHold>()
  spent = 0

  constructor(capacity = 10) {
    this.#capacity = capacity
  }

  get held(): number {
    return this.holds.filter(({ status }) => status === 'held').reduce((sum, hold) => sum + tokensOf(hold), 0)
  }

  get remaining(): number {
    return this.#capacity - this.spent - this.held
  }

  /** Answers a call as the service does. */
  readonly answer = (call: FakeCall, response: Response): unknown => {
    const [, , id, action = call.method] = call.path.split('/')
    if (id === undefined) return this.#reserve(call, response)
    const hold = this.holds.find(hold => hold.id === decodeURIComponent(id))
    if (hold === undefined) return problem(response, 404, 'reservation-not-found')
    if (action === 'settle') return this.#settle(hold, call, response)
    if (hold.status === 'settled' || (hold.status === 'released' && action === 'extend')) {
      return problem(response, 409, 'reservation-ended', { ended: hold.status })
    }
    if (action === 'extend') return { id: hold.id, expiresAt: new Date().toISOString() }
    hold.status = 'released'
    response.writeHead(204).end()
    return undefined
  }

  #reserve({ idempotencyKey, body }: FakeCall, response: Response): unknown {
    const { ttlMs } = body as unknown as FakeHold
    const checks = (body.checks ?? [body]).map(({ key, tokens = 1 }) => ({ key, tokens }))
    const hold = this.#byIdempotencyKey.get(idempotencyKey) ?? this.#hold(checks, ttlMs)
    const figures = { limit: this.#capacity, remaining: this.remaining }
    const results = body.checks?.map(({ key }) => decision(key, figures))
    const key = String(checks[0]?.key)
    if (hold === undefined) {
      const denial = { ...figures, allowed: false, retryAfterMs: ttlMs, 'violated-policies': ['default'], results }
      return problem(response, 429, 'quota-exceeded', decision(key, denial))
    }
    this.#byIdempotencyKey.set(idempotencyKey, hold)
    response.writeHead(201)
    return { id: hold.id, expiresAt: new Date().toISOString(), ...decision(key, figures), results }
  }

  #hold(checks: FakeHold['checks'], ttlMs: number): FakeHold | undefined {
    const hold: FakeHold = { id: `0/${this.holds.length}`, checks, ttlMs, status: 'held' }
    if (tokensOf(hold) > this.remaining) return undefined
    this.holds.push(hold)
    return hold
  }

  #settle(hold: FakeHold, { body }: FakeCall, response: Response): unknown {
    const charges = hold.checks.map(({ key, tokens }, i) => {
      const settled = body.checks?.[i]?.tokens ?? body.tokens ?? tokens
      return { key, tokens: settled, charged: settled }
    })
    const isRepeated = isDeepStrictEqual(hold.charges, charges)
    if (hold.status !== 'held' && !isRepeated) {
      return problem(response, 409, 'reservation-ended', { ended: hold.status })
    }
    if (!isRepeated) this.spent += charges.reduce((sum, { charged }) => sum + charged, 0)
    Object.assign(hold, { status: 'settled', charges })
    return { id: hold.id, status: 'settled', checks: charges, ...decision(String(charges[0]?.key)) }
  }
}

function tokensOf({ checks }: FakeHold): number {
  return checks.reduce((sum, { tokens }) => sum + tokens, 0)
}
