import type { BucketReading, HeldReading } from '../reading.ts'
import type { Period } from './calendar.ts'

/** A clock that goes back by up to this much pauses refill; one that goes back further is believed. */
export const CLOCK_TOLERANCE_MS = 10_000

/** What was spent of a limit when its bucket was last spent from. */
export interface Spending {
  /** Of the limit by which it was counted, which may have changed since. */
  readonly unitsPerToken: number
  /** In units, without the debt. */
  readonly spent: number
  /** Units that were charged beyond the capacity. */
  readonly debt?: number
  /** By the store's clock, in whole milliseconds. */
  readonly lastSpentAtMs: number
}

/** What is needed to charge a limit. While a bucket has holds, it records this of each of its limits. */
export interface ChargeArithmetic {
  /** Identifies the limit in a bucket: 4 bytes, unique in its policy. */
  readonly id: number
  readonly unitsPerToken: number
  /** The period in which it was recorded, of a limit that has periods. */
  readonly period?: Period
  /** The units of a spending that still count at this time, which is not before the spending. Includes debt. */
  spentAt(spending: Spending, atMs: number): number
  /** How long after a spending at this time it may be forgotten, in ms: nothing is spent any more. */
  fullAfterMs(spent: number, atMs: number): number
  /** The units spent once `tokens` are charged to a limit of which `spent` units are, whether or not so many are left. */
  chargedWith(tokens: number, spent: number): number
  /** How many of the units spent are debt. */
  debtIn(spent: number): number
  /** What a bucket records of it at this time. */
  recordedAt(atMs: number): ChargeArithmetic
}

/** A limit of any kind with the numbers for its arithmetic, all integers below 2^53. Each kind is a class in this folder. */
export interface LimitArithmetic extends ChargeArithmetic {
  readonly name: string
  /** In tokens. */
  readonly capacity: number
  /** A shadow limit counts, and denies nobody. */
  readonly isShadow: boolean
  /** Whether checks spend from it, so that buckets have an entry for it. */
  readonly isSpent: boolean
  readonly capacityUnits: number
  /** May exceed the capacity of a share; a full bucket then goes into debt. */
  readonly maxTokensPerCheck: number
  /** How tokens return, such as "10 more every 1000 ms". */
  readonly refill: string
  /** The units that must be left for a check to be allowed. */
  demandOf(asked: Demand): number
  /** The units that a key's reservations hold. */
  heldUnits(held: HeldReading | undefined): number
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

/** What a check asks for. */
export interface Demand {
  readonly tokens: number
  /** Whether it is a reservation. */
  readonly reserves?: boolean
}

/**
 * Whether the limit has as much left as a check asks for. A check that asks for nothing is denied only while the limit is in debt.
 * Written so that NaN denies.
 */
export function allows(limit: LimitArithmetic, spent: number, held: HeldReading | undefined, asked: Demand): boolean {
  const demand = limit.demandOf(asked)
  if (demand === 0) return spent <= limit.capacityUnits
  if (demand <= limit.capacityUnits) return limit.capacityUnits - spent - limit.heldUnits(held) >= demand
  return asked.tokens <= limit.maxTokensPerCheck && spent === 0
}
