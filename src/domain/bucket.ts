/**
 * The bucket of a key as an executable specification: the scripts in `redis/lua` do the same, and property tests compare the two.
 * Processes use this one for their own buckets while the store is unavailable.
 *
 * A bucket records what was *spent*, in units of 1 ÷ `unitsPerToken` token, so every number is an integer below 2^53. A bucket with
 * nothing spent is full under any capacity. So a bucket may be dropped once it is full, and a changed policy needs no migration.
 */
import { type FoundBucket, forgottenAt, spentOf, withSaneClock, withSpent } from './bucket-state.ts'
import { heldIn, type OpenedBucket, settleDue } from './held-bucket.ts'
import { allows, type Demand, type LimitArithmetic } from './limits/limit-arithmetic.ts'
import type { BucketReading } from './reading.ts'
import type { Bucket } from './stored-bucket.ts'

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
  const state = readBucket(openBucket(stored, nowMs).bucket, limits, { tokens }, nowMs)
  return state.reading.allowed && tokens > 0 ? spend(state) : state
}

/** The bucket as it is at this time: `undefined` if it is full, otherwise with its expired holds settled. */
export function openBucket(stored: Bucket | undefined, nowMs: number): OpenedBucket {
  if (isForgotten(stored, nowMs)) return { bucket: undefined, shortfalls: [] }
  const { bucket, shortfalls } = settleDue(withSaneClock(stored, nowMs), nowMs)
  return { bucket: isForgotten(bucket, nowMs) ? undefined : bucket, shortfalls }
}

function isForgotten(bucket: Bucket | undefined, nowMs: number): bucket is undefined {
  return bucket === undefined || nowMs >= forgottenAt(bucket)
}

/** @param bucket that is open */
export function readBucket(
  bucket: Bucket | undefined,
  limits: readonly LimitArithmetic[],
  asked: Demand,
  nowMs: number,
): FoundBucket {
  const atMs = Math.max(nowMs, bucket?.lastSpentAtMs ?? 0)
  const spent = limits.map(limit => spentOf(limit, bucket, atMs))
  const held = heldIn(bucket, nowMs)
  // In this order, so that it leaves no garbage; see `asOther`.
  const reading = {
    spent,
    refillPausedMs: atMs - nowMs,
    ...verdictOn(limits, { spent, held }, asked),
    ...periodsAt(limits, atMs, nowMs),
    ...(held && { held }),
  }
  return { bucket, limits, asked, atMs, reading }
}

/** Spends the tokens of an allowed check. */
export function spend({ bucket, limits, asked, atMs, reading }: FoundBucket): BucketCheckResult {
  const { violated, spent } = reading
  const cost = (limit: LimitArithmetic, i: number) => (violated?.[i] || !limit.isSpent ? 0 : limit.demandOf(asked))
  const after = limits.map((limit, i) => (spent[i] ?? 0) + cost(limit, i))
  const stored = limits.some(({ isSpent }) => isSpent) ? withSpent(bucket, limits, after, atMs) : bucket
  return { reading: { ...reading, spent: after }, bucket: stored }
}

/** What the limits say to a check. */
function verdictOn(
  limits: readonly LimitArithmetic[],
  { spent, held }: Pick<BucketReading, 'spent'> & { readonly held?: BucketReading['held'] | undefined },
  asked: Demand,
): Pick<BucketReading, 'allowed' | 'violated'> {
  const isAllowedBy = (limit: LimitArithmetic, i: number) => allows(limit, spent[i] ?? 0, held, asked)
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

/** The reading that a check would find. @param reading of a check of 0 tokens */
export function previewOf(reading: BucketReading, limits: readonly LimitArithmetic[], tokens: number): BucketReading {
  const { violated: _, ...ofZero } = reading
  return { ...ofZero, ...verdictOn(limits, reading, { tokens }) }
}

/** The reading after `elapsedMs` in which nothing was spent. */
export function readingAfter(
  reading: BucketReading,
  limits: readonly LimitArithmetic[],
  elapsedMs: number,
): BucketReading {
  const { periods, held } = reading
  const sooner = (ms: number, earliestMs: number) => Math.max(earliestMs, ms - elapsedMs)
  const later = periods?.map(period => period && { ...period, endsInMs: sooner(period.endsInMs, 0) })
  return {
    ...reading,
    ...(later && { periods: later }),
    ...(held && {
      held: { ...held, nextExpiryMs: sooner(held.nextExpiryMs, 1), lastExpiryMs: sooner(held.lastExpiryMs, 1) },
    }),
    spent: limits.map((limit, i) => limit.spentLater(reading, i, elapsedMs)),
    refillPausedMs: sooner(reading.refillPausedMs, 0),
  }
}
