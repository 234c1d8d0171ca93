/** The token bucket, a kind of limit: what was spent returns continuously. */
import { ceilDiv, greatestCommonDivisor } from '../exact.ts'
import type { BucketReading, HeldReading } from '../reading.ts'
import type { Demand, LimitArithmetic, Spending } from './limit-arithmetic.ts'
import { countFault, MAX_COUNT, memberFault } from './limit-fault.ts'
import type { LimitKind } from './limit-kind.ts'
import { isShadow } from './shadow.ts'

/** 31 days. */
export const MAX_INTERVAL_MS = 2_678_400_000

/** `capacity` tokens; `refillTokens` are added every `refillIntervalMs`, continuously. */
export interface TokenBucketLimit {
  readonly kind?: never
  readonly name: string
  readonly capacity: number
  readonly refillTokens: number
  readonly refillIntervalMs: number
  readonly shadow?: true
}

/** What a share has besides its limit. */
interface Share {
  readonly maxTokensPerCheck: number
  readonly timeScale: number
}

export class CompiledTokenBucket implements LimitArithmetic, TokenBucketLimit {
  declare readonly kind?: never
  readonly name: string
  readonly capacity: number
  readonly refillTokens: number
  readonly refillIntervalMs: number
  readonly id: number
  readonly isShadow: boolean
  /** The smallest number for which a whole number of units refills each millisecond. */
  readonly unitsPerToken: number
  readonly unitsPerMs: number
  readonly capacityUnits: number
  readonly maxTokensPerCheck: number
  /** Milliseconds of real time for each millisecond of the limit's clock: 1, or the number of processes for a share. */
  readonly timeScale: number

  constructor(limit: TokenBucketLimit, id: number, share: Share = { maxTokensPerCheck: limit.capacity, timeScale: 1 }) {
    const { unitsPerToken, unitsPerMs } = unitsOf(limit)
    this.name = limit.name
    this.capacity = limit.capacity
    this.refillTokens = limit.refillTokens
    this.refillIntervalMs = limit.refillIntervalMs
    this.id = id
    this.isShadow = isShadow(limit)
    this.unitsPerToken = unitsPerToken
    this.unitsPerMs = unitsPerMs
    this.capacityUnits = limit.capacity * unitsPerToken
    this.maxTokensPerCheck = share.maxTokensPerCheck
    this.timeScale = share.timeScale
  }

  get refill(): string {
    return `${this.refillTokens} more every ${this.refillIntervalMs} ms`
  }

  get isSpent(): boolean {
    return true
  }

  demandOf({ tokens }: Demand): number {
    return tokens * this.unitsPerToken
  }

  heldUnits(held: HeldReading | undefined): number {
    return held === undefined ? 0 : held.tokens * this.unitsPerToken
  }

  /** Spent tokens stay spent when the limit changes, up to all of its new capacity, and so does debt. */
  spentAt({ unitsPerToken, spent, debt = 0, lastSpentAtMs }: Spending, atMs: number): number {
    const kept = this.#kept(spent, unitsPerToken) + this.#kept(debt, unitsPerToken)
    return this.#refilled(Math.min(kept, this.#maxUnits), atMs - lastSpentAtMs)
  }

  /** @param unitsPerToken in which the units were counted */
  #kept(units: number, unitsPerToken: number): number {
    if (unitsPerToken === this.unitsPerToken) return Math.min(units, this.#maxUnitsPerCheck)
    return Math.min(ceilDiv(units, unitsPerToken), this.maxTokensPerCheck) * this.unitsPerToken
  }

  get #maxUnitsPerCheck(): number {
    return this.maxTokensPerCheck * this.unitsPerToken
  }

  /** A debt of one capacity, unless that is more than can be counted exactly. */
  get #maxUnits(): number {
    return Math.min(2 * this.#maxUnitsPerCheck, Number.MAX_SAFE_INTEGER)
  }

  /** Debt is at most one capacity. What exceeds it is not charged. */
  chargedWith(tokens: number, spent: number): number {
    return Math.min(spent + tokens * this.unitsPerToken, this.#maxUnits)
  }

  debtIn(spent: number): number {
    return Math.max(0, spent - this.#maxUnitsPerCheck)
  }

  recordedAt(): CompiledTokenBucket {
    return this
  }

  fullAfterMs(spent: number): number {
    return ceilDiv(spent, this.unitsPerMs)
  }

  waitFor(units: number, { refillPausedMs }: BucketReading): number {
    return ceilDiv(units, this.unitsPerMs) * this.timeScale + refillPausedMs
  }

  spentLater({ spent, refillPausedMs }: BucketReading, index: number, elapsedMs: number): number {
    return this.#refilled(spent[index] ?? 0, Math.max(0, elapsedMs - refillPausedMs))
  }

  /**
   * ⌈capacity ÷ processes⌉ tokens, and refill ÷ processes. The arithmetic stays the limit's own and exact, by a clock that is slower by
   * the factor `processes`.
   */
  shareOf(processes: number): CompiledTokenBucket {
    const { name, refillTokens, refillIntervalMs, maxTokensPerCheck } = this
    const share = { name, capacity: ceilDiv(this.capacity, processes), refillTokens, refillIntervalMs }
    return new CompiledTokenBucket(share, this.id, { maxTokensPerCheck, timeScale: processes })
  }

  #refilled(spent: number, elapsedMs: number): number {
    return elapsedMs >= ceilDiv(spent, this.unitsPerMs) ? 0 : spent - elapsedMs * this.unitsPerMs
  }
}

const INEXACT =
  'capacity × refillIntervalMs ÷ gcd(refillTokens, refillIntervalMs) must not exceed 2^53 − 1, or the limit could not be counted exactly'

export const TOKEN_BUCKET: LimitKind<TokenBucketLimit, CompiledTokenBucket> = {
  members: { name: true, capacity: true, refillTokens: true, refillIntervalMs: true, shadow: true },
  textOf: ({ refillTokens, refillIntervalMs }) => `${refillTokens} ${refillIntervalMs}`,
  storedFault(limit) {
    const { refillTokens, refillIntervalMs } = limit
    const fault =
      countFault('refillTokens', refillTokens, MAX_COUNT) ??
      countFault('refillIntervalMs', refillIntervalMs, MAX_INTERVAL_MS)
    if (fault !== undefined || isExact(limit as TokenBucketLimit)) return fault
    return memberFault('', limit, 'a limit that can be counted exactly')
  },
  faults: limit => (isExact(limit) ? [] : [{ path: '', message: INEXACT }]),
  compile: (limit, id) => new CompiledTokenBucket(limit, id),
}

/** Floating point never rounds a product above 2^53 to below it. */
function isExact(limit: TokenBucketLimit): boolean {
  return limit.capacity * unitsOf(limit).unitsPerToken <= Number.MAX_SAFE_INTEGER
}

function unitsOf({ refillTokens, refillIntervalMs }: TokenBucketLimit): { unitsPerToken: number; unitsPerMs: number } {
  const divisor = greatestCommonDivisor(refillTokens, refillIntervalMs)
  return { unitsPerToken: refillIntervalMs / divisor, unitsPerMs: refillTokens / divisor }
}
