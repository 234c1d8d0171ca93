/** How what is stored of a key changes. */
import type { Hold } from './holds.ts'
import {
  type ChargeArithmetic,
  CLOCK_TOLERANCE_MS,
  type Demand,
  type LimitArithmetic,
} from './limits/limit-arithmetic.ts'
import { asOther, othersThan, recordsOwn, withoutRecord } from './other-entries.ts'
import type { BucketReading } from './reading.ts'
import { KEPT_AFTER_END_MS } from './reservation.ts'
import type { Bucket, BucketEntry, OtherEntry, Times } from './stored-bucket.ts'

/** What a check finds in a bucket, before it spends or holds anything. */
export interface FoundBucket {
  readonly bucket: Bucket | undefined
  readonly limits: readonly LimitArithmetic[]
  readonly asked: Demand
  /** The time that counts: now, or the last spending if the clock went back since. */
  readonly atMs: number
  readonly reading: BucketReading
}

/**
 * When a bucket may be dropped. While it has holds, that does not depend on what is spent meanwhile. Expired holds stay as long as they can
 * be settled late, so that the next access charges and counts them.
 */
export function forgottenAt(bucket: Bucket): number {
  const { lastSpentAtMs, fullAtMs, entries, others, holds } = bucket
  if (entries.length + others.length === 0 && holds === undefined) return 0
  const full = Math.max(fullAtMs, ...others.map(other => other.fullAtMs))
  const lastHold = holds?.at(-1)
  if (lastHold === undefined) return full
  const fromMs = Math.max(lastHold.expiresAtMs, lastSpentAtMs)
  const chargedAtLast = [...entries, ...others].flatMap(({ recorded }) =>
    recorded === undefined ? [] : [fromMs + recorded.fullAfterMs(recorded.chargedWith(MOST_TOKENS, 0), fromMs)],
  )
  return Math.max(full, lastHold.expiresAtMs + KEPT_AFTER_END_MS, ...chargedAtLast)
}

/** More than a charge can have, so that it takes all that can be spent. */
const MOST_TOKENS = 2 ** 53

/** After a clock that went back too far, moves times that lie ahead of it to now. Deadlines stay. */
export function withSaneClock(bucket: Bucket, nowMs: number): Bucket {
  if (bucket.lastSpentAtMs - nowMs <= CLOCK_TOLERANCE_MS) return bucket
  const notAhead = <T extends Times>(times: T): T => {
    const aheadMs = Math.max(0, times.lastSpentAtMs - nowMs)
    return { ...times, lastSpentAtMs: times.lastSpentAtMs - aheadMs, fullAtMs: times.fullAtMs - aheadMs }
  }
  return { ...notAhead(bucket), others: bucket.others.map(notAhead) }
}

/** The units spent of a limit at a time that is not before the last spending. */
export function spentOf(limit: ChargeArithmetic, bucket: Bucket | undefined, atMs: number): number {
  const entry = bucket && entryOf(limit, bucket)
  return entry === undefined ? 0 : spentIn(entry, limit, atMs)
}

function spentIn(entry: OtherEntry, limit: ChargeArithmetic, atMs: number): number {
  return atMs >= entry.fullAtMs ? 0 : limit.spentAt(entry, atMs)
}

function entryOf({ id }: ChargeArithmetic, bucket: Bucket): OtherEntry | undefined {
  const own = bucket.entries.find(entry => entry.id === id)
  return own === undefined ? bucket.others.find(entry => entry.id === id) : asOther(own, bucket)
}

/** The bucket with these units spent of each limit, and these holds. Entries of other limits stay. */
export function withSpent(
  bucket: Bucket | undefined,
  limits: readonly LimitArithmetic[],
  spent: readonly number[],
  atMs: number,
  holds = bucket?.holds,
): Bucket {
  const own = limits.flatMap((limit, i) => (limit.isSpent ? [{ limit, spent: spent[i] ?? 0 }] : []))
  // A policy that nothing is spent from leaves the entries as they are.
  if (own.length === 0) {
    const before = bucket ?? { lastSpentAtMs: atMs, fullAtMs: atMs, entries: [], others: [] }
    const isFirstHold = holds !== undefined && before.holds === undefined
    return withHolds(isFirstHold ? allLeft(before, atMs) : before, holds)
  }
  const others = bucket === undefined ? [] : othersThan(limits, bucket, atMs)
  const isRecorded = recordsOwn(holds, others)
  return withHolds(
    {
      lastSpentAtMs: atMs,
      fullAtMs: atMs + Math.max(...own.map(({ limit, spent }) => limit.fullAfterMs(spent, atMs))),
      entries: own.map(({ limit, spent }) => entryWith(limit, spent, atMs, isRecorded)),
      others,
    },
    holds,
  )
}

function entryWith(limit: ChargeArithmetic, spent: number, atMs: number, isRecorded: boolean): BucketEntry {
  const { id, unitsPerToken } = limit
  const debt = limit.debtIn(spent)
  return {
    id,
    unitsPerToken,
    spent: spent - debt,
    ...(debt > 0 && { debt }),
    ...(isRecorded && { recorded: limit.recordedAt(atMs) }),
  }
}

/** The bucket with these holds instead. Without holds, nothing needs to be recorded of other limits. */
export function withHolds(bucket: Bucket, holds: readonly Hold[] | undefined): Bucket {
  const { holds: _, ...rest } = bucket
  if (holds !== undefined && holds.length > 0) return { ...rest, holds }
  const others = rest.others.map(withoutRecord)
  return { ...rest, entries: recordsOwn(undefined, others) ? rest.entries : rest.entries.map(withoutRecord), others }
}

/** A first hold is not charged to limits that are not of its policy. */
function allLeft(bucket: Bucket, atMs: number): Bucket {
  return { ...bucket, fullAtMs: bucket.lastSpentAtMs, entries: [], others: othersThan([], bucket, atMs) }
}

interface Charge {
  readonly bucket: Bucket
  /** Whole tokens that were charged, by the ids of limits. */
  readonly charges: ReadonlyMap<number, number>
}

/**
 * Charges tokens at a time that is not before the last spending, whether or not so many are left.
 * @param tokensOf the tokens to charge to a limit, by its id
 * @param limitOf the limit of an entry; `undefined` if it cannot be charged. Of the entries of one policy, all can be or none.
 */
export function charge(
  bucket: Bucket,
  tokensOf: (id: number) => number,
  atMs: number,
  limitOf: (entry: BucketEntry) => ChargeArithmetic | undefined,
): Charge {
  const charges = new Map<number, number>()
  const chargedEntry = (entry: OtherEntry, isRecorded: boolean): OtherEntry => {
    const limit = limitOf(entry)
    if (limit === undefined) return entry
    const before = spentIn(entry, limit, atMs)
    const after = limit.chargedWith(tokensOf(entry.id), before)
    charges.set(entry.id, Math.floor((after - before) / limit.unitsPerToken))
    const fullAtMs = atMs + limit.fullAfterMs(after, atMs)
    return { lastSpentAtMs: atMs, fullAtMs, ...entryWith(limit, after, atMs, isRecorded) }
  }
  const own = bucket.entries.map(entry => chargedEntry(asOther(entry, bucket), recordsOwn(bucket.holds, bucket.others)))
  const others = bucket.others.map(entry => chargedEntry(entry, bucket.holds !== undefined))
  if (charges.size === 0) return { bucket, charges }
  const entries = own.map(({ lastSpentAtMs: _, fullAtMs: __, ...entry }) => entry)
  const fullAtMs = Math.max(atMs, ...own.map(entry => entry.fullAtMs))
  return { bucket: { ...bucket, lastSpentAtMs: atMs, fullAtMs, entries, others }, charges }
}
