/** The holds of a bucket: what reservations hold, until they are settled or expire. A part of the specification in `bucket.ts`. */
import { type Bucket, charge, type FoundBucket, spentOf, withHolds, withSpent } from './bucket-state.ts'
import type { Hold } from './holds.ts'
import type { LimitArithmetic } from './limits/limit-arithmetic.ts'
import type { HeldReading } from './reading.ts'

/** Expired holds that one access settles at most. The others count as held until the next access. */
const MAX_SETTLED_PER_ACCESS = 64

export function heldIn(bucket: Bucket | undefined, nowMs: number): HeldReading | undefined {
  const holds = bucket?.holds
  if (holds === undefined) return undefined
  const expiries = holds.map(({ expiresAtMs }) => Math.max(1, expiresAtMs - nowMs))
  return {
    tokens: holds.reduce((sum, { tokens }) => sum + tokens, 0),
    count: holds.length,
    nextExpiryMs: Math.min(...expiries),
    lastExpiryMs: Math.max(...expiries),
  }
}

/**
 * Settles expired holds in the order of their deadlines, each as of its deadline. It uses only what is stored, so it does not matter
 * who looks, and when.
 */
export function settleDue(bucket: Bucket, nowMs: number): Bucket {
  const due = (bucket.holds ?? []).filter(({ expiresAtMs }) => expiresAtMs <= nowMs).slice(0, MAX_SETTLED_PER_ACCESS)
  return due.reduce((rest, hold) => withoutHold(expire(rest, hold), hold.id), bucket)
}

/** A hold that was left over may be due from before the last spending. */
function expire(bucket: Bucket, { tokens, onExpiry, expiresAtMs }: Hold): Bucket {
  if (onExpiry === 'release' || tokens === 0) return bucket
  return charge(bucket, tokens, Math.max(expiresAtMs, bucket.lastSpentAtMs), ({ recorded }) => recorded).bucket
}

/** Adds a hold that a check was allowed, and records the limits that decided it. */
export function withHold({ bucket, limits, reading, atMs }: FoundBucket, hold: Hold): Bucket {
  return withSpent(bucket, limits, reading.spent, atMs, sorted([...(bucket?.holds ?? []), hold]))
}

/** Moves the deadline of a hold. */
export function withDeadline(bucket: Bucket, id: string, expiresAtMs: number): Bucket {
  const moved = (hold: Hold) => (hold.id === id ? { ...hold, expiresAtMs } : hold)
  return withHolds(bucket, sorted((bucket.holds ?? []).map(moved)))
}

function withoutHold(bucket: Bucket, id: string): Bucket {
  return withHolds(
    bucket,
    bucket.holds?.filter(hold => hold.id !== id),
  )
}

function sorted(holds: readonly Hold[]): readonly Hold[] {
  return holds.toSorted((a, b) => a.expiresAtMs - b.expiresAtMs || (a.id < b.id ? -1 : 1))
}

export function hasHold(bucket: Bucket | undefined, id: string): bucket is Bucket {
  return bucket?.holds?.some(hold => hold.id === id) === true
}

interface Settled {
  readonly bucket: Bucket | undefined
  readonly charged: number
}

/**
 * Releases a hold, and charges the actual cost to every limit that the bucket has recorded.
 * @param limits those in force, by which the recorded ones are counted that are among them
 */
export function settleHold(
  bucket: Bucket,
  id: string,
  tokens: number,
  limits: readonly LimitArithmetic[],
  nowMs: number,
): Settled {
  if (tokens === 0) return { bucket: withoutHold(bucket, id), charged: 0 }
  const inForce = limitsById(limits)
  const atMs = Math.max(nowMs, bucket.lastSpentAtMs)
  const after = charge(bucket, tokens, atMs, entry => entry.recorded && (inForce.get(entry.id) ?? entry.recorded))
  return { ...after, bucket: withoutHold(after.bucket, id) }
}

/** Charges tokens that nothing holds any more to the limits in force, and to those that the bucket has recorded. */
export function chargeUnheld(
  bucket: Bucket | undefined,
  tokens: number,
  limits: readonly LimitArithmetic[],
  nowMs: number,
): Settled {
  const isSpent = bucket !== undefined || limits.some(limit => limit.isSpent)
  if (tokens === 0 || !isSpent) return { bucket, charged: 0 }
  const inForce = limitsById(limits)
  const atMs = Math.max(nowMs, bucket?.lastSpentAtMs ?? 0)
  const spent = limits.map(limit => spentOf(limit, bucket, atMs))
  return charge(withSpent(bucket, limits, spent, atMs), tokens, atMs, entry => inForce.get(entry.id) ?? entry.recorded)
}

function limitsById(limits: readonly LimitArithmetic[]): ReadonlyMap<number, LimitArithmetic> {
  return new Map(limits.filter(({ isSpent }) => isSpent).map(limit => [limit.id, limit]))
}
