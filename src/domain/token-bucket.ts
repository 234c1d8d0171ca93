/**
 * The token bucket as an executable specification: `redis/lua/check.lua` does the same, and a property test compares the two.
 * Processes use this one for their own buckets while the store is unavailable.
 *
 * A bucket records what was *spent*, in units of 1 ÷ `unitsPerToken` token, so every number is an integer below 2^53. A bucket with
 * nothing spent is full under any capacity. So a bucket may be dropped once it is full, and a changed policy needs no migration.
 */
import { ceilDiv } from './exact.ts'
import type { CompiledLimit } from './policy.ts'

/** A clock that goes back by up to this much pauses refill; one that goes back further is believed. */
export const CLOCK_TOLERANCE_MS = 10_000

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

/** The result of one check, for each limit of its policy in order. */
export interface BucketReading {
  readonly allowed: boolean
  /** Units spent, after this check. */
  readonly spent: readonly number[]
  /** How long refill is paused because the clock went back, in ms; part of every waiting time. */
  readonly refillPausedMs: number
}

export interface BucketCheckResult {
  readonly reading: BucketReading
  /** The bucket to store; `undefined` if it is full. */
  readonly bucket: Bucket | undefined
}

/** Decides one check of `tokens` at `nowMs`; 0 tokens only read. Nothing is spent unless all limits allow. */
export function checkBucket(
  stored: Bucket | undefined,
  limits: readonly CompiledLimit[],
  tokens: number,
  nowMs: number,
): BucketCheckResult {
  const bucket = stored && nowMs < forgottenAt(stored) ? withSaneClock(stored, nowMs) : undefined
  const atMs = Math.max(nowMs, bucket?.lastSpentAtMs ?? 0)
  const refillPausedMs = atMs - nowMs
  const spent = limits.map(limit => spentOf(limit, bucket, atMs))
  const allowed = limits.every((limit, i) => allows(limit, spent[i] ?? 0, tokens))
  if (!allowed || tokens === 0) return { reading: { allowed, spent, refillPausedMs }, bucket }

  const after = limits.map((limit, i) => (spent[i] ?? 0) + tokens * limit.unitsPerToken)
  return { reading: { allowed, spent: after, refillPausedMs }, bucket: spentFrom(bucket, limits, after, atMs) }
}

/** When a bucket may be dropped. */
export function forgottenAt({ fullAtMs, others }: Bucket): number {
  return others.reduce((latest, other) => Math.max(latest, other.fullAtMs), fullAtMs)
}

/** Whether the limit has `tokens` left after `spent` units. Written so that NaN denies. */
export function allows(limit: CompiledLimit, spent: number, tokens: number): boolean {
  if (tokens <= limit.capacity) return limit.capacityUnits - spent >= tokens * limit.unitsPerToken
  return tokens <= limit.maxTokensPerCheck && spent === 0
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

function spentOf(limit: CompiledLimit, bucket: Bucket | undefined, atMs: number): number {
  const entry = bucket && entryOf(limit, bucket)
  if (entry === undefined || atMs >= entry.fullAtMs) return 0
  return refilled(limit, spentUnder(limit, entry), atMs - entry.lastSpentAtMs)
}

function entryOf({ id }: CompiledLimit, bucket: Bucket): OtherEntry | undefined {
  const own = bucket.entries.find(entry => entry.id === id)
  return own === undefined ? bucket.others.find(entry => entry.id === id) : asOther(own, bucket)
}

function asOther({ id, unitsPerToken, spent }: BucketEntry, { lastSpentAtMs, fullAtMs }: Times): OtherEntry {
  return { id, unitsPerToken, spent, lastSpentAtMs, fullAtMs }
}

/** The bucket with these units spent of each limit. Entries of other limits stay. */
function spentFrom(
  bucket: Bucket | undefined,
  limits: readonly CompiledLimit[],
  spent: readonly number[],
  atMs: number,
): Bucket {
  const fullAfterMs = Math.max(...limits.map((limit, i) => ceilDiv(spent[i] ?? 0, limit.unitsPerMs)))
  return {
    lastSpentAtMs: atMs,
    fullAtMs: atMs + fullAfterMs,
    entries: limits.map(({ id, unitsPerToken }, i) => ({ id, unitsPerToken, spent: spent[i] ?? 0 })),
    others: bucket === undefined ? [] : othersThan(limits, bucket, atMs),
  }
}

/** Entries of limits that are not among these, the slowest first. */
function othersThan(limits: readonly CompiledLimit[], bucket: Bucket, atMs: number): readonly OtherEntry[] {
  return [...bucket.entries.map(entry => asOther(entry, bucket)), ...bucket.others]
    .filter(({ id, fullAtMs }) => fullAtMs > atMs && !limits.some(limit => limit.id === id))
    .sort((a, b) => b.fullAtMs - a.fullAtMs || a.id - b.id)
    .slice(0, MAX_OTHER_ENTRIES)
}

/** Spent tokens stay spent when the limit changes, up to all of its new capacity. */
function spentUnder(limit: CompiledLimit, entry: BucketEntry): number {
  if (entry.unitsPerToken === limit.unitsPerToken)
    return Math.min(entry.spent, limit.maxTokensPerCheck * limit.unitsPerToken)
  return Math.min(ceilDiv(entry.spent, entry.unitsPerToken), limit.maxTokensPerCheck) * limit.unitsPerToken
}

function refilled(limit: CompiledLimit, spent: number, elapsedMs: number): number {
  return elapsedMs >= ceilDiv(spent, limit.unitsPerMs) ? 0 : spent - elapsedMs * limit.unitsPerMs
}

/** The reading that a check of `tokens` would find. @param reading of a check of 0 tokens */
export function previewOf(reading: BucketReading, limits: readonly CompiledLimit[], tokens: number): BucketReading {
  return { ...reading, allowed: limits.every((limit, i) => allows(limit, reading.spent[i] ?? 0, tokens)) }
}

/** The reading after `elapsedMs` in which nothing was spent. */
export function readingAfter(
  { allowed, spent, refillPausedMs }: BucketReading,
  limits: readonly CompiledLimit[],
  elapsedMs: number,
): BucketReading {
  const refillMs = Math.max(0, elapsedMs - refillPausedMs)
  return {
    allowed,
    spent: limits.map((limit, i) => refilled(limit, spent[i] ?? 0, refillMs)),
    refillPausedMs: Math.max(0, refillPausedMs - elapsedMs),
  }
}
