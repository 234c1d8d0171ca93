/** What a bucket records of a quota, so that holds can be charged to it whichever policy is in force. */
import type { Period } from './calendar.ts'
import { type ChargeArithmetic, CLOCK_TOLERANCE_MS, type Spending } from './limit-arithmetic.ts'

/** An hour. All minutes and hours are of one length. */
const LONGEST_FIXED_MS = 3_600_000

/**
 * A period of the quota, and the length of the next one, by which the others are found. So the start of every period that a hold can
 * reach is exact. Later ones, which take several extensions of a hold, may be off by an hour or by the difference of two months.
 */
export class RecordedQuota implements ChargeArithmetic {
  readonly id: number
  readonly period: Period
  readonly #nextLengthMs: number

  constructor(id: number, period: Period, nextLengthMs: number) {
    this.id = id
    this.period = period
    this.#nextLengthMs = nextLengthMs
  }

  get unitsPerToken(): number {
    return 1
  }

  spentAt(spending: Spending, atMs: number): number {
    return spentInPeriod(spending, this.#periodAt(atMs))
  }

  /** A period whose end is not known is kept for longer than it can last. */
  fullAfterMs(_spent: number, atMs: number): number {
    return forgottenAfterMs(this.#periodAt(atMs), atMs) + (this.#isEndKnown(atMs) ? 0 : this.#nextLengthMs)
  }

  #isEndKnown(atMs: number): boolean {
    const { startMs, endMs } = this.period
    return this.#nextLengthMs <= LONGEST_FIXED_MS || (startMs <= atMs && atMs < endMs + this.#nextLengthMs)
  }

  chargedWith(tokens: number, spent: number): number {
    return chargedToQuota(tokens, spent)
  }

  debtIn(): number {
    return 0
  }

  recordedAt(): RecordedQuota {
    return this
  }

  #periodAt(atMs: number): Period {
    const { startMs, endMs } = this.period
    if (atMs >= endMs) return this.#stepFrom(endMs, atMs)
    if (atMs < startMs) return this.#stepFrom(startMs, atMs)
    return this.period
  }

  #stepFrom(boundaryMs: number, atMs: number): Period {
    const startMs = boundaryMs + Math.floor((atMs - boundaryMs) / this.#nextLengthMs) * this.#nextLengthMs
    return { startMs, endMs: startMs + this.#nextLengthMs }
  }
}

/** A quota forgets nothing before its period ends, also if its capacity is lowered. */
export function spentInPeriod({ spent, lastSpentAtMs }: Spending, { startMs }: Period): number {
  return lastSpentAtMs >= startMs ? spent : 0
}

/** A clock that went over the end of the period may go back, and must not find the period new. */
export function forgottenAfterMs({ endMs }: Period, atMs: number): number {
  return endMs + CLOCK_TOLERANCE_MS - atMs
}

/** What was spent of a quota may exceed its capacity. */
export function chargedToQuota(tokens: number, spent: number): number {
  return Math.min(spent + tokens, Number.MAX_SAFE_INTEGER)
}
