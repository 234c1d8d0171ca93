/** The entries of a bucket for limits that the policy which spent last does not have. A part of the specification in `bucket.ts`. */
import type { Hold } from './holds.ts'
import type { ChargeArithmetic, LimitArithmetic } from './limits/limit-arithmetic.ts'
import type { Bucket, BucketEntry, OtherEntry, Times } from './stored-bucket.ts'

/** Entries that a bucket keeps of each class. */
const MOST = { recorded: 48, estimated: 8, other: 8 } as const

/** Whether the limits of the policy that spent last are recorded. */
export function recordsOwn(holds: readonly Hold[] | undefined, others: readonly OtherEntry[]): boolean {
  return holds !== undefined || others.length > 0
}

/** Entries of limits that are not among these, the slowest first, and of equals those that were spent from last. */
export function othersThan(limits: readonly LimitArithmetic[], bucket: Bucket, atMs: number): readonly OtherEntry[] {
  return [...bucket.entries.map(entry => leftBy(entry, bucket)), ...bucket.others]
    .filter(({ fullAtMs, recorded }) => fullAtMs > atMs || recorded !== undefined)
    .filter(({ id }) => !limits.some(limit => limit.id === id))
    .sort((a, b) => b.fullAtMs - a.fullAtMs || b.lastSpentAtMs - a.lastSpentAtMs || a.id - b.id)
    .filter((entry, i, others) => hasPlace(entry, others.slice(0, i)))
}

/** @param slower the others that come before */
function hasPlace(entry: OtherEntry, slower: readonly OtherEntry[]): boolean {
  const ownClass = classOf(entry)
  return slower.filter(other => classOf(other) === ownClass).length < MOST[ownClass]
}

/** Holds are charged to what is recorded, however little is spent of it before. */
function classOf({ recorded, isEstimated }: OtherEntry): keyof typeof MOST {
  if (recorded !== undefined) return 'recorded'
  return isEstimated ? 'estimated' : 'other'
}

/**
 * An entry of the policy that spent last, as it is once another one spends: with the time when it is full itself, if that is known. Holds
 * that come later are not charged to it.
 */
function leftBy(entry: BucketEntry, bucket: Bucket): OtherEntry {
  const other = asOther(bucket.holds === undefined ? withoutRecord(entry) : entry, bucket)
  const { recorded, spent, debt = 0 } = entry
  const { lastSpentAtMs, fullAtMs } = bucket
  if (recorded !== undefined && isKnownAt(recorded, lastSpentAtMs)) {
    return { ...other, fullAtMs: Math.min(fullAtMs, lastSpentAtMs + recorded.fullAfterMs(spent + debt, lastSpentAtMs)) }
  }
  return bucket.entries.length > 1 ? { isEstimated: true, ...other } : other
}

/** Whether its time can be told: not for a time before the period that was recorded, since the clock went back. */
function isKnownAt({ period }: ChargeArithmetic, atMs: number): boolean {
  return period === undefined || period.startMs <= atMs
}

/**
 * Members that are added come before those that are spread. Otherwise the V8 of Node.js 20 describes a new type for each object, in the old
 * generation.
 */
export function asOther(entry: BucketEntry, { lastSpentAtMs, fullAtMs }: Times): OtherEntry {
  return { lastSpentAtMs, fullAtMs, ...entry }
}

export function withoutRecord<E extends BucketEntry>({ recorded: _, ...entry }: E): Omit<E, 'recorded'> {
  return entry
}
