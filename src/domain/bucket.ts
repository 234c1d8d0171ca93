/**
 * The bucket of a key as an executable specification: `redis/lua/check.lua` does the same, and a property test compares the two.
 * Processes use this one for their own buckets while the store is unavailable.
 *
 * A bucket records what was *spent*, in units of 1 ÷ `unitsPerToken` token, so every number is an integer below 2^53. A bucket with
 * nothing spent is full under any capacity. So a bucket may be dropped once it is full, and a changed policy needs no migration.
 */
import { allows, CLOCK_TOLERANCE_MS, type LimitArithmetic } from './limits/limit-arithmetic.ts'
import type { BucketReading } from './reading.ts'

/** Entries that a bucket keeps for limits which the last policy does not have. */
export const MAX_OTHER_ENTRIES = 8

/** Units of one limit that were spent at its last spending. */
export interface BucketEntry {
  readonly id: number
  readonly unitsPerToken: number
  readonly spent: number
}

/** An entry of a limit that the last policy does not have. */
export interface OtherEntry extends BucketEntry, Times {}

interface Times {
  /** By the store's clock, in whole milliseconds. */
  readonly lastSpentAtMs: number
  /** From then on nothing is spent. */
  readonly fullAtMs: number
}

/** The state of one key. The times belong to `entries`, the limits of the policy that spent last. */
export interface Bucket extends Times {
  readonly entries: readonly BucketEntry[]
  /** Kept until they are full, so that a limit that is removed and restored is not forgotten. */
  readonly others: readonly OtherEntry[]
}

export interface BucketCheckResult {
  readonly reading: BucketReading
  /** The bucket to store; `undefined` if it is full. */
  readonly bucket: Bucket | undefined
}

/**
 * Decides one check of `tokens` at `nowMs`; 0 tokens only read. Nothing is spent unless all enforced limits allow, and nothing from a
 * shadow limit that would deny.
 */
export function checkBucket(
  stored: Bucket | undefined,
  limits: readonly LimitArithmetic[],
  tokens: number,
  nowMs: number,
): BucketCheckResult {
  const bucket = stored && nowMs < forgottenAt(stored) ? withSaneClock(stored, nowMs) : undefined
  const atMs = Math.max(nowMs, bucket?.lastSpentAtMs ?? 0)
  const times = { ...periodsAt(limits, atMs, nowMs), refillPausedMs: atMs - nowMs }
  const spent = limits.map(limit => spentOf(limit, bucket, atMs))
  const verdict = verdictOn(limits, spent, tokens)
  if (!verdict.allowed || tokens === 0) return { reading: { ...verdict, spent, ...times }, bucket }

  const cost = (limit: LimitArithmetic, i: number) => (verdict.violated?.[i] ? 0 : tokens * limit.unitsPerToken)
  const after = limits.map((limit, i) => (spent[i] ?? 0) + cost(limit, i))
  return { reading: { ...verdict, spent: after, ...times }, bucket: spentFrom(bucket, limits, after, atMs) }
}

/** What the limits say to a check. */
function verdictOn(
  limits: readonly LimitArithmetic[],
  spent: readonly number[],
  tokens: number,
): Pick<BucketReading, 'allowed' | 'violated'> {
  const isAllowedBy = (limit: LimitArithmetic, i: number) => allows(limit, spent[i] ?? 0, tokens)
  if (limits.every(isAllowedBy)) return { allowed: true }
  const allowed = limits.every((limit, i) => limit.isShadow || isAllowedBy(limit, i))
  return allowed ? { allowed, violated: limits.map((limit, i) => !isAllowedBy(limit, i)) } : { allowed }
}

/** The periods of a reading, by the time at which limits count and by the clock. */
export function periodsAt(
  limits: readonly LimitArithmetic[],
  atMs: number,
  nowMs: number,
): Pick<BucketReading, 'periods'> {
  if (!limits.some(({ periodAt }) => periodAt)) return {}
  const periods = limits.map(limit => {
    const period = limit.periodAt?.(atMs)
    return period && { endsInMs: period.endMs - nowMs, lengthMs: period.endMs - period.startMs }
  })
  return { periods }
}

/** When a bucket may be dropped. */
export function forgottenAt({ fullAtMs, others }: Bucket): number {
  return others.reduce((latest, other) => Math.max(latest, other.fullAtMs), fullAtMs)
}

/** After a clock that went back too far, moves times that lie ahead of it to now. */
function withSaneClock(bucket: Bucket, nowMs: number): Bucket {
  if (bucket.lastSpentAtMs - nowMs <= CLOCK_TOLERANCE_MS) return bucket
  const notAhead = <T extends Times>(times: T): T => {
    const aheadMs = Math.max(0, times.lastSpentAtMs - nowMs)
    return { ...times, lastSpentAtMs: times.lastSpentAtMs - aheadMs, fullAtMs: times.fullAtMs - aheadMs }
  }
  return { ...notAhead(bucket), others: bucket.others.map(notAhead) }
}

function spentOf(limit: LimitArithmetic, bucket: Bucket | undefined, atMs: number): number {
  const entry = bucket && entryOf(limit, bucket)
  if (entry === undefined || atMs >= entry.fullAtMs) return 0
  return limit.spentAt(entry, atMs)
}

function entryOf({ id }: LimitArithmetic, bucket: Bucket): OtherEntry | undefined {
  const own = bucket.entries.find(entry => entry.id === id)
  return own === undefined ? bucket.others.find(entry => entry.id === id) : asOther(own, bucket)
}

function asOther({ id, unitsPerToken, spent }: BucketEntry, { lastSpentAtMs, fullAtMs }: Times): OtherEntry {
  return { id, unitsPerToken, spent, lastSpentAtMs, fullAtMs }
}

/** The bucket with these units spent of each limit. Entries of other limits stay. */
function spentFrom(
  bucket: Bucket | undefined,
  limits: readonly LimitArithmetic[],
  spent: readonly number[],
  atMs: number,
): Bucket {
  const fullAfterMs = Math.max(...limits.map((limit, i) => limit.fullAfterMs(spent[i] ?? 0, atMs)))
  return {
    lastSpentAtMs: atMs,
    fullAtMs: atMs + fullAfterMs,
    entries: limits.map(({ id, unitsPerToken }, i) => ({ id, unitsPerToken, spent: spent[i] ?? 0 })),
    others: bucket === undefined ? [] : othersThan(limits, bucket, atMs),
  }
}

/** Entries of limits that are not among these, the slowest first. */
function othersThan(limits: readonly LimitArithmetic[], bucket: Bucket, atMs: number): readonly OtherEntry[] {
  return [...bucket.entries.map(entry => asOther(entry, bucket)), ...bucket.others]
    .filter(({ id, fullAtMs }) => fullAtMs > atMs && !limits.some(limit => limit.id === id))
    .sort((a, b) => b.fullAtMs - a.fullAtMs || a.id - b.id)
    .slice(0, MAX_OTHER_ENTRIES)
}

/** The reading that a check of `tokens` would find. @param reading of a check of 0 tokens */
export function previewOf(reading: BucketReading, limits: readonly LimitArithmetic[], tokens: number): BucketReading {
  const { violated: _, ...ofZero } = reading
  return { ...ofZero, ...verdictOn(limits, reading.spent, tokens) }
}

/** The reading after `elapsedMs` in which nothing was spent. */
export function readingAfter(
  reading: BucketReading,
  limits: readonly LimitArithmetic[],
  elapsedMs: number,
): BucketReading {
  const { periods } = reading
  const later = periods?.map(period => period && { ...period, endsInMs: Math.max(0, period.endsInMs - elapsedMs) })
  return {
    ...reading,
    ...(later && { periods: later }),
    spent: limits.map((limit, i) => limit.spentLater(reading, i, elapsedMs)),
    refillPausedMs: Math.max(0, reading.refillPausedMs - elapsedMs),
  }
}
