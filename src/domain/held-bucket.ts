/** The holds of a bucket: what reservations hold, until they are settled or expire. A part of the specification in `bucket.ts`. */
import { charge, type FoundBucket, spentOf, withHolds, withSpent } from './bucket-state.ts'
import type { Hold } from './holds.ts'
import type { ChargeArithmetic, LimitArithmetic } from './limits/limit-arithmetic.ts'
import type { HeldReading } from './reading.ts'
import { type ChargedBefore, chargedTo, leastCharged, NOTHING_CHARGED, type Shortfall } from './shortfall.ts'
import type { Bucket } from './stored-bucket.ts'

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

export interface OpenedBucket<B extends Bucket | undefined = Bucket | undefined> {
  readonly bucket: B
  /** Of the holds that were found expired. */
  readonly shortfalls: readonly Shortfall[]
}

/**
 * Settles expired holds in the order of their deadlines, each as of its deadline. It uses only what is stored, so it does not matter
 * who looks, and when.
 */
export function settleDue(bucket: Bucket, nowMs: number): OpenedBucket<Bucket> {
  const due = (bucket.holds ?? []).filter(({ expiresAtMs }) => expiresAtMs <= nowMs).slice(0, MAX_SETTLED_PER_ACCESS)
  const shortfalls: Shortfall[] = []
  let rest = bucket
  for (const hold of due) {
    const { bucket, charged } = expire(rest, hold)
    rest = withoutHold(bucket, hold.id)
    if (leastCharged(charged) < dueTokens(hold)) shortfalls.push(shortfallOf(hold, charged, false))
  }
  return { bucket: rest, shortfalls }
}

/** What a hold is to be charged at its deadline. */
function dueTokens({ tokens, onExpiry }: Hold): number {
  return onExpiry === 'charge' ? tokens : 0
}

/**
 * A hold that was left over may be due from before the last spending. If the period of a quota has ended between the two, its charge no
 * longer counts: the quota stays as it is, and counts as charged in full.
 */
function expire(bucket: Bucket, hold: Hold): { readonly bucket: Bucket; readonly charged: ChargedBefore } {
  const tokens = dueTokens(hold)
  if (tokens === 0) return { bucket, charged: NOTHING_CHARGED }
  const atMs = Math.max(hold.expiresAtMs, bucket.lastSpentAtMs)
  const isOver = (recorded: ChargeArithmetic | undefined) =>
    recorded?.period !== undefined &&
    recorded.spentAt({ unitsPerToken: 1, spent: 1, lastSpentAtMs: hold.expiresAtMs }, atMs) === 0
  const after = charge(
    bucket,
    () => tokens,
    atMs,
    ({ recorded }) => (isOver(recorded) ? undefined : recorded),
  )
  const areAnyOver = [...bucket.entries, ...bucket.others].some(({ recorded }) => isOver(recorded))
  if (after.charges.size === 0 && !areAnyOver) return { bucket, charged: NOTHING_CHARGED }
  const less = new Map([...after.charges].filter(([, charged]) => charged < tokens))
  return { bucket: after.bucket, charged: { less, tokens } }
}

function shortfallOf({ id, expiresAtMs }: Hold, charged: ChargedBefore, isReset: boolean): Shortfall {
  return { id, expiresAtMs, charged, isReset }
}

/** The holds that a reset forgets, as far as their expiry would have charged something. @param bucket without holds that are due */
export function forgottenHolds(bucket: Bucket | undefined): readonly Shortfall[] {
  const forgotten = (bucket?.holds ?? []).filter(hold => dueTokens(hold) > 0)
  return forgotten.map(hold => shortfallOf(hold, NOTHING_CHARGED, true))
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
  /** Whole tokens that were charged in all, the fewest over the limits. */
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
  const after = charge(
    bucket,
    () => tokens,
    Math.max(nowMs, bucket.lastSpentAtMs),
    entry => entry.recorded && (inForce.get(entry.id) ?? entry.recorded),
  )
  return { bucket: withoutHold(after.bucket, id), charged: leastOf([...after.charges.values()]) ?? 0 }
}

/** A settlement of tokens that nothing holds any more. */
interface UnheldSettlement {
  readonly tokens: number
  /** By the expiry of the hold. */
  readonly before: ChargedBefore
  /** Those in force. */
  readonly limits: readonly LimitArithmetic[]
}

/** Charges what exceeds the charge of the expiry, to the limits in force and to those that the bucket has recorded for other holds. */
export function chargeUnheld(
  bucket: Bucket | undefined,
  { tokens, before, limits }: UnheldSettlement,
  nowMs: number,
): Settled {
  const isSpent = bucket !== undefined || limits.some(limit => limit.isSpent)
  if (tokens <= leastCharged(before) || !isSpent) return { bucket, charged: leastCharged(before) }
  const inForce = limitsById(limits)
  const atMs = Math.max(nowMs, bucket?.lastSpentAtMs ?? 0)
  const spent = limits.map(limit => spentOf(limit, bucket, atMs))
  const after = charge(
    withSpent(bucket, limits, spent, atMs),
    id => Math.max(0, tokens - chargedTo(id, before)),
    atMs,
    entry => inForce.get(entry.id) ?? (bucket?.holds && entry.recorded),
  )
  const inAll = [...after.charges].map(([id, charged]) => chargedTo(id, before) + charged)
  return { bucket: after.bucket, charged: leastOf(inAll) ?? leastCharged(before) }
}

function leastOf(charges: readonly number[]): number | undefined {
  return charges.length === 0 ? undefined : Math.min(...charges)
}

function limitsById(limits: readonly LimitArithmetic[]): ReadonlyMap<number, LimitArithmetic> {
  return new Map(limits.filter(({ isSpent }) => isSpent).map(limit => [limit.id, limit]))
}
