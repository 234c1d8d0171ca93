/**
 * The token bucket as an executable specification: `redis/lua/check.lua` does the same, and a property test holds the two
 * against each other. Processes use this one for their own buckets while the store is away.
 *
 * A bucket holds what was *spent*, in units of 1 ÷ `unit` token, so every number is an integer below 2^53. Nothing spent is a
 * full bucket under any capacity, which is why a bucket may be forgotten once it would be full, and why a changed policy
 * needs no migration.
 */
import { ceilDiv } from './exact.ts'
import type { CompiledLimit } from './policy.ts'

/** A clock that went back by up to this much pauses refill; one that went back further is taken as it is. */
export const CLOCK_TOLERANCE_MS = 10_000

export interface BucketEntry {
  readonly id: number
  readonly unit: number
  readonly spent: number
}

export interface Bucket {
  /** When it was last spent from, in whole milliseconds of the store's clock. */
  readonly usedAtMs: number
  readonly entries: readonly BucketEntry[]
  /** So long after that the bucket is full, and forgotten. */
  readonly fillsInMs: number
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
  /** The bucket to keep, or the one given when nothing is to be written. */
  readonly bucket: Bucket | undefined
}

/** Decides one check of `tokens` (0 only reads) at `nowMs`; all limits must allow, else nothing is spent. */
export function checkBucket(
  stored: Bucket | undefined,
  limits: readonly CompiledLimit[],
  tokens: number,
  nowMs: number,
): BucketCheckResult {
  const bucket = stored && nowMs - stored.usedAtMs < stored.fillsInMs ? withSaneClock(stored, nowMs) : undefined
  const pauseMs = bucket ? Math.max(0, bucket.usedAtMs - nowMs) : 0
  const elapsedMs = bucket ? Math.max(0, nowMs - bucket.usedAtMs) : 0
  const spent = limits.map(limit => spentOf(limit, bucket, elapsedMs))
  const allowed = limits.every((limit, i) => allows(limit, spent[i] ?? 0, tokens))
  if (!allowed || tokens === 0) return { reading: { allowed, spent, pauseMs }, bucket }

  const after = limits.map((limit, i) => (spent[i] ?? 0) + tokens * limit.unit)
  const fillsInMs = Math.max(...limits.map((limit, i) => ceilDiv(after[i] ?? 0, limit.unitsPerMs)))
  const entries = limits.map(({ id, unit }, i) => ({ id, unit, spent: after[i] ?? 0 }))
  return {
    reading: { allowed, spent: after, pauseMs },
    bucket: { usedAtMs: nowMs + pauseMs, entries, fillsInMs },
  }
}

/** Whether the limit, with `spent` units gone, has `tokens` left. Written so that only a proof allows. */
export function allows(limit: CompiledLimit, spent: number, tokens: number): boolean {
  if (tokens <= limit.capacity) return limit.capacityUnits - spent >= tokens * limit.unit
  return tokens <= limit.largest && spent === 0
}

function withSaneClock(bucket: Bucket, nowMs: number): Bucket {
  return bucket.usedAtMs - nowMs > CLOCK_TOLERANCE_MS ? { ...bucket, usedAtMs: nowMs } : bucket
}

function spentOf(limit: CompiledLimit, bucket: Bucket | undefined, elapsedMs: number): number {
  const entry = bucket?.entries.find(({ id }) => id === limit.id)
  return entry === undefined ? 0 : refilled(limit, spentUnder(limit, entry), elapsedMs)
}

/** What was spent stays spent when the limit changes, at most all of its new capacity. */
function spentUnder(limit: CompiledLimit, entry: BucketEntry): number {
  if (entry.unit === limit.unit) return Math.min(entry.spent, limit.largest * limit.unit)
  return Math.min(ceilDiv(entry.spent, entry.unit), limit.largest) * limit.unit
}

function refilled(limit: CompiledLimit, spent: number, elapsedMs: number): number {
  return elapsedMs >= ceilDiv(spent, limit.unitsPerMs) ? 0 : spent - elapsedMs * limit.unitsPerMs
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
