/**
 * The token bucket as an executable specification: `redis/lua/check.lua` does the same, and a property test holds the two
 * against each other. Processes use this one for their own buckets while the store is unavailable.
 *
 * A bucket holds what was *spent*, in units of 1 ÷ `unit` token, so every number is an integer below 2^53. Nothing spent is a
 * full bucket under any capacity, which is why a bucket may be forgotten once it would be full, and why a changed policy
 * needs no migration.
 */
import { ceilDiv } from './exact.ts'
import type { CompiledLimit } from './policy.ts'

/** A clock that went back by up to this much pauses refill; one that went back further is taken as it is. */
export const CLOCK_TOLERANCE_MS = 10_000

/** The most limits that a bucket keeps although the policy that spent from it last does not have them. */
export const MAX_OTHER_ENTRIES = 8

/** What was spent of one limit when it was last spent from. */
export interface BucketEntry {
  readonly id: number
  readonly unit: number
  readonly spent: number
}

/** What was spent of a limit that the policy which spent last does not have. */
export interface OtherEntry extends BucketEntry, Times {}

interface Times {
  /** In whole milliseconds of the store's clock. */
  readonly lastSpentAtMs: number
  /** From then on nothing counts as spent. */
  readonly fullAtMs: number
}

/** The state of one key. Its times are those of the policy that spent last, and of that policy's entries. */
export interface Bucket extends Times {
  readonly entries: readonly BucketEntry[]
  /** Kept until they are full, so that a limit which is away for a while is not forgotten. */
  readonly others: readonly OtherEntry[]
}

/** What one check found, for each limit of its policy in order. */
export interface BucketReading {
  readonly allowed: boolean
  /** Units spent, after this check. */
  readonly spent: readonly number[]
  /** How long refill rests because the clock went back; a part of every waiting time. */
  readonly pauseMs: number
}

export interface BucketCheckResult {
  readonly reading: BucketReading
  /** The bucket to keep, or `undefined` when it is full. */
  readonly bucket: Bucket | undefined
}

/** Decides one check of `tokens` (0 only reads) at `nowMs`; all limits must allow, else nothing is spent. */
export function checkBucket(
  stored: Bucket | undefined,
  limits: readonly CompiledLimit[],
  tokens: number,
  nowMs: number,
): BucketCheckResult {
  const bucket = stored && nowMs < forgottenAt(stored) ? withSaneClock(stored, nowMs) : undefined
  const atMs = Math.max(nowMs, bucket?.lastSpentAtMs ?? 0)
  const pauseMs = atMs - nowMs
  const spent = limits.map(limit => spentOf(limit, bucket, atMs))
  const allowed = limits.every((limit, i) => allows(limit, spent[i] ?? 0, tokens))
  if (!allowed || tokens === 0) return { reading: { allowed, spent, pauseMs }, bucket }

  const after = limits.map((limit, i) => (spent[i] ?? 0) + tokens * limit.unit)
  return { reading: { allowed, spent: after, pauseMs }, bucket: spentFrom(bucket, limits, after, atMs) }
}

/** When nothing of a bucket counts any more. */
export function forgottenAt({ fullAtMs, others }: Bucket): number {
  return others.reduce((latest, other) => Math.max(latest, other.fullAtMs), fullAtMs)
}

/** Whether the limit, with `spent` units gone, has `tokens` left. Written so that only a proof allows. */
export function allows(limit: CompiledLimit, spent: number, tokens: number): boolean {
  if (tokens <= limit.capacity) return limit.capacityUnits - spent >= tokens * limit.unit
  return tokens <= limit.largest && spent === 0
}

/** A clock that went back too far takes what lies ahead of it along. */
function withSaneClock(bucket: Bucket, nowMs: number): Bucket {
  if (bucket.lastSpentAtMs - nowMs <= CLOCK_TOLERANCE_MS) return bucket
  const notAhead = <T extends Times>(times: T): T => {
    const aheadMs = Math.max(0, times.lastSpentAtMs - nowMs)
    return { ...times, lastSpentAtMs: times.lastSpentAtMs - aheadMs, fullAtMs: times.fullAtMs - aheadMs }
  }
  return { ...notAhead(bucket), others: bucket.others.map(notAhead) }
}

function spentOf(limit: CompiledLimit, bucket: Bucket | undefined, atMs: number): number {
  const entry = bucket && entryOf(limit, bucket)
  if (entry === undefined || atMs >= entry.fullAtMs) return 0
  return refilled(limit, spentUnder(limit, entry), atMs - entry.lastSpentAtMs)
}

function entryOf({ id }: CompiledLimit, bucket: Bucket): OtherEntry | undefined {
  const own = bucket.entries.find(entry => entry.id === id)
  return own === undefined ? bucket.others.find(entry => entry.id === id) : asOther(own, bucket)
}

function asOther({ id, unit, spent }: BucketEntry, { lastSpentAtMs, fullAtMs }: Times): OtherEntry {
  return { id, unit, spent, lastSpentAtMs, fullAtMs }
}

/** The bucket once so many units are spent of each limit. Limits that the policy does not have stay as they were. */
function spentFrom(
  bucket: Bucket | undefined,
  limits: readonly CompiledLimit[],
  spent: readonly number[],
  atMs: number,
): Bucket {
  const fillsInMs = Math.max(...limits.map((limit, i) => ceilDiv(spent[i] ?? 0, limit.unitsPerMs)))
  return {
    lastSpentAtMs: atMs,
    fullAtMs: atMs + fillsInMs,
    entries: limits.map(({ id, unit }, i) => ({ id, unit, spent: spent[i] ?? 0 })),
    others: bucket === undefined ? [] : othersThan(limits, bucket, atMs),
  }
}

/** What was spent of limits that are not among these, the slowest first. */
function othersThan(limits: readonly CompiledLimit[], bucket: Bucket, atMs: number): readonly OtherEntry[] {
  return [...bucket.entries.map(entry => asOther(entry, bucket)), ...bucket.others]
    .filter(({ id, fullAtMs }) => fullAtMs > atMs && !limits.some(limit => limit.id === id))
    .sort((a, b) => b.fullAtMs - a.fullAtMs || a.id - b.id)
    .slice(0, MAX_OTHER_ENTRIES)
}

/** What was spent stays spent when the limit changes, at most all of its new capacity. */
function spentUnder(limit: CompiledLimit, entry: BucketEntry): number {
  if (entry.unit === limit.unit) return Math.min(entry.spent, limit.largest * limit.unit)
  return Math.min(ceilDiv(entry.spent, entry.unit), limit.largest) * limit.unit
}

function refilled(limit: CompiledLimit, spent: number, elapsedMs: number): number {
  return elapsedMs >= ceilDiv(spent, limit.unitsPerMs) ? 0 : spent - elapsedMs * limit.unitsPerMs
}

/** The reading as a check of `tokens` would find it, without spending them. @param reading of a check of 0 tokens */
export function previewOf(reading: BucketReading, limits: readonly CompiledLimit[], tokens: number): BucketReading {
  return { ...reading, allowed: limits.every((limit, i) => allows(limit, reading.spent[i] ?? 0, tokens)) }
}

/** What a reading becomes when `elapsedMs` have passed since and nothing was spent. */
export function readingAfter(
  { allowed, spent, pauseMs }: BucketReading,
  limits: readonly CompiledLimit[],
  elapsedMs: number,
): BucketReading {
  const refillMs = Math.max(0, elapsedMs - pauseMs)
  return {
    allowed,
    spent: limits.map((limit, i) => refilled(limit, spent[i] ?? 0, refillMs)),
    pauseMs: Math.max(0, pauseMs - elapsedMs),
  }
}
