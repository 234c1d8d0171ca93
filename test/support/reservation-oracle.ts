import type { Amounts, CheckGroup, Settlement } from '../../src/check/ports.ts'
import type { Limit } from '../../src/domain/limits/limit.ts'
import { type Answer, BucketOracle, type HoldEnd, leastCharged } from './bucket-oracle.ts'

/** The expected result of a call, in a form that says the same of any store. */
export type Outcome =
  | Answer
  | {
      readonly allowed: boolean
      readonly answers: readonly Answer[]
      readonly expiresAtMs?: number
      readonly refusal?: string
    }
  | {
      readonly status: string
      readonly keys?: readonly object[]
      readonly ended?: string
      readonly expiresAtMs?: number
    }
  | undefined

/** Everything that ever happened to a reservation. */
interface Reserved {
  readonly id: string
  readonly fingerprint: string
  readonly onExpiry: string
  readonly ttlMs: number
  readonly keys: readonly { readonly key: string; readonly tokens: number; readonly holds: boolean }[]
  deadlineMs: number
  isForgotten?: boolean
  ended?: {
    readonly as: 'settled' | 'released'
    readonly atMs: number
    readonly tokens: readonly number[]
    charged: number[]
  }
}

const TEN_MINUTES = 600_000
const MOST_RESERVATIONS = 1_000

/** Reservations, implemented from docs/reservations.md. It keeps every reservation that was ever made. */
export class ReservationOracle {
  readonly #buckets = new Map<string, BucketOracle>()
  readonly #reserved: Reserved[] = []

  bucket(key: string): BucketOracle {
    const known = this.#buckets.get(key) ?? new BucketOracle()
    this.#buckets.set(key, known)
    return known
  }

  /** The reservation of this id, until ten minutes after its end. */
  #find(id: string, nowMs: number): Reserved | undefined {
    const last = this.#reserved.findLast(reserved => reserved.id === id)
    if (last === undefined || last.isForgotten) return undefined
    // Once it was found to be forgotten, it stays so, even if the clock goes back.
    last.isForgotten = nowMs >= (last.ended?.atMs ?? last.deadlineMs) + TEN_MINUTES
    return last.isForgotten ? undefined : last
  }

  decide({ checks, shadowed, hold }: CheckGroup, nowMs: number): Outcome {
    const limitsOf = (i: number) => checks[i]?.policy.definition.limits as readonly Limit[]
    const reserves = hold !== undefined
    const looks = checks.map(({ key, tokens }, i) => this.bucket(key).look(limitsOf(i), { tokens, reserves }, nowMs))
    const before = hold && this.#find(hold.id, nowMs)
    if (before !== undefined) {
      if (before.fingerprint !== hold?.fingerprint) {
        return { allowed: true, answers: looks, refusal: 'idempotency-key-reused' }
      }
      const answers = checks.map(({ key }, i) => this.bucket(key).show(limitsOf(i), nowMs))
      return { allowed: true, answers, expiresAtMs: before.deadlineMs }
    }
    if (looks.some(({ allowed }, i) => !allowed && !shadowed[i])) return { allowed: false, answers: looks }
    if (hold === undefined) {
      const answers = checks.map(({ key, tokens }, i) =>
        looks[i]?.allowed ? this.bucket(key).check(limitsOf(i), tokens, nowMs) : (looks[i] as Answer),
      )
      return { allowed: true, answers }
    }
    const hasTooMany = checks.map(({ key }) => this.#reservationsOf(key, nowMs) >= MOST_RESERVATIONS)
    if (hasTooMany.some((tooMany, i) => tooMany && !shadowed[i])) {
      return { allowed: true, answers: looks, refusal: 'too-many-reservations' }
    }
    const { id, ttlMs, onExpiry, fingerprint, named } = hold
    const holding = checks.filter((_, i) => looks[i]?.allowed && !hasTooMany[i]).map(({ key }) => key)
    if (holding.length === 0) return { allowed: true, answers: looks }
    const answers = checks.map(({ key, tokens }, i) => {
      if (!holding.includes(key)) return looks[i] as Answer
      const made = { id, tokens, ttlMs, isCharged: onExpiry === 'charge' }
      return this.bucket(key).hold(limitsOf(i), made, nowMs)
    })
    const keys = named.map(({ key, tokens }) => ({ key, tokens, holds: holding.includes(key) }))
    this.#reserved.push({ id, fingerprint, onExpiry, ttlMs, keys, deadlineMs: nowMs + ttlMs })
    return { allowed: true, answers, expiresAtMs: nowMs + ttlMs }
  }

  #reservationsOf(key: string, nowMs: number): number {
    return this.#reserved.filter(({ id }) => this.#buckets.get(key)?.holds(id, nowMs)).length
  }

  settle({ id, amounts, policyOf }: Settlement, nowMs: number): Outcome {
    const reserved = this.#find(id, nowMs)
    if (reserved === undefined) return { status: 'not-found' }
    const tokens = tokensOf(reserved, amounts)
    this.#lookAtKeys(reserved, nowMs)
    if (tokens === undefined) return { status: 'keys-differ' }
    const as = amounts === 'release' ? 'released' : 'settled'
    if (reserved.ended !== undefined) {
      const isSame = reserved.ended.as === as && reserved.ended.tokens.join() === tokens.join()
      if (!isSame) return { status: 'ended', ended: reserved.ended.as }
    } else {
      const charged = reserved.keys.map(({ key, tokens: held, holds }, i) => {
        if (!holds) return 0
        const { limits } = policyOf({ key, tokens: held }).definition
        return this.bucket(key).settle(limits, id, tokens[i] ?? 0, nowMs, this.#expiryOf(reserved, i, nowMs))
      })
      reserved.ended = { as, atMs: nowMs, tokens, charged }
    }
    const keys = reserved.keys.map(({ key, tokens: held }, i) => {
      const { limits } = policyOf({ key, tokens: held }).definition
      const answer = this.bucket(key).check(limits, 0, nowMs)
      return { key, tokens: tokens[i], charged: reserved.ended?.charged[i], answer }
    })
    return { status: as, keys }
  }

  extend(id: string, ttlMs: number | undefined, nowMs: number): Outcome {
    const reserved = this.#find(id, nowMs)
    if (reserved === undefined) return { status: 'not-found' }
    this.#lookAtKeys(reserved, nowMs)
    const status = this.#statusOf(reserved, nowMs)
    if (status !== 'held') return { status: 'ended', ended: status }
    for (const { key, holds } of reserved.keys) if (holds) this.bucket(key).extend(id, ttlMs ?? reserved.ttlMs, nowMs)
    reserved.deadlineMs = nowMs + (ttlMs ?? reserved.ttlMs)
    return { status: 'extended', expiresAtMs: reserved.deadlineMs }
  }

  read(id: string, nowMs: number): Outcome {
    const reserved = this.#find(id, nowMs)
    if (reserved === undefined) return undefined
    this.#lookAtKeys(reserved, nowMs)
    const status = this.#statusOf(reserved, nowMs)
    const keys = reserved.keys.map(({ key, tokens, holds }, i) => {
      if (status === 'expired') {
        const expiry = holds ? this.#expiryOf(reserved, i, nowMs) : undefined
        return { key, tokens, charged: expiry ? leastCharged(expiry) : 0 }
      }
      return reserved.ended === undefined ? { key, tokens } : { key, tokens, charged: reserved.ended.charged[i] }
    })
    return { status, keys, expiresAtMs: reserved.deadlineMs }
  }

  /** Every call on a reservation finds what has expired of its keys. */
  #lookAtKeys({ id, keys }: Reserved, nowMs: number): void {
    for (const { key } of keys) this.bucket(key).holds(id, nowMs)
  }

  #statusOf(reserved: Reserved, nowMs: number): string {
    const { id, ended, deadlineMs, keys } = reserved
    if (ended !== undefined) return ended.as
    if (deadlineMs <= nowMs) return 'expired'
    const gone = [...keys.keys()].filter(i => {
      const { key, holds } = keys[i] as (typeof keys)[number]
      return holds && !this.bucket(key).holds(id, nowMs)
    })
    if (gone.length === 0) return 'held'
    return gone.every(i => this.#expiryOf(reserved, i, nowMs) !== undefined) ? 'expired' : 'released'
  }

  /**
   * How a hold ended; `undefined` if it has not expired. If the clock went back, the deadline may be ahead again: a spending at the
   * deadline or later shows that it had passed, and so does a charge of less than was held.
   */
  #expiryOf({ id, deadlineMs, keys }: Reserved, index: number, nowMs: number): HoldEnd | undefined {
    const bucket = this.bucket(keys[index]?.key ?? '')
    // An access finds some of those that have expired; the call asks until it finds this one.
    while (bucket.holds(id, nowMs)) if (deadlineMs > nowMs) return undefined
    const end = bucket.endOf(id)
    const isLess = !end.isReset && leastCharged(end) < end.tokens
    return deadlineMs <= nowMs || bucket.isSpentSince(deadlineMs) || isLess ? end : undefined
  }
}

function tokensOf({ keys }: Reserved, amounts: Amounts): readonly number[] | undefined {
  if (typeof amounts === 'number') return keys.map(() => amounts)
  if (amounts === 'reserved') return keys.map(({ tokens }) => tokens)
  if (amounts === 'release') return keys.map(() => 0)
  const isComplete = amounts.size === keys.length && keys.every(({ key }) => amounts.has(key))
  return isComplete ? keys.map(({ key }) => amounts.get(key) ?? 0) : undefined
}
