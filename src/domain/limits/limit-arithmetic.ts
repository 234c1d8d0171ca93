import type { BucketReading } from '../reading.ts'
import type { Period } from './calendar.ts'

/** A clock that goes back by up to this much pauses refill; one that goes back further is believed. */
export const CLOCK_TOLERANCE_MS = 10_000

/** What was spent of a limit when its bucket was last spent from. */
export interface Spending {
  /** Of the limit by which it was counted, which may have changed since. */
  readonly unitsPerToken: number
  /** In units. */
  readonly spent: number
  /** By the store's clock, in whole milliseconds. */
  readonly lastSpentAtMs: number
}

/** A limit of any kind with the numbers for its arithmetic, all integers below 2^53. Each kind is a class in this folder. */
export interface LimitArithmetic {
  readonly name: string
  /** In tokens. */
  readonly capacity: number
  /** Identifies the limit in a bucket: 4 bytes, unique in its policy. */
  readonly id: number
  /** A shadow limit counts, and denies nobody. */
  readonly isShadow: boolean
  readonly unitsPerToken: number
  readonly capacityUnits: number
  /** May exceed the capacity of a share; a full bucket then goes into debt. */
  readonly maxTokensPerCheck: number
  /** How tokens return, such as "10 more every 1000 ms". */
  readonly refill: string
  /** The units of a spending that still count at this time, which is not before the spending. */
  spentAt(spending: Spending, atMs: number): number
  /** How long after a spending at this time it may be forgotten, in ms: nothing is spent any more. */
  fullAfterMs(spent: number, atMs: number): number
  /** The time until `units` return, in ms. @param index of the limit in its policy */
  waitFor(units: number, reading: BucketReading, index: number): number
  /** The units spent `elapsedMs` after a reading, if nothing was spent in between. */
  spentLater(reading: BucketReading, index: number, elapsedMs: number): number
  /** The period that contains this time, for limits that have periods. */
  periodAt?(atMs: number): Period
  /**
   * One process's share of the limit, for its own bucket while the store is unavailable.
   * @param nowMs since 1970, by the process's clock
   */
  shareOf(processes: number, nowMs: number): LimitArithmetic
}

/** Whether the limit has `tokens` left after `spent` units. Written so that NaN denies. */
export function allows(limit: LimitArithmetic, spent: number, tokens: number): boolean {
  if (tokens <= limit.capacity) return limit.capacityUnits - spent >= tokens * limit.unitsPerToken
  return tokens <= limit.maxTokensPerCheck && spent === 0
}
