/**
 * Checks that do more than spend what is left. A policy with overdraft charges a denied check too, into debt, since its checks report
 * costs afterwards. And what was spent can be given back.
 */
import { type BucketCheckResult, checkBucket, openBucket, readBucket } from './bucket.ts'
import { forgottenAt, withSpent } from './bucket-state.ts'
import { floorDiv } from './exact.ts'
import { allows, type LimitArithmetic } from './limits/limit-arithmetic.ts'
import type { Policy } from './policy.ts'
import type { Bucket } from './stored-bucket.ts'

type Definition = Pick<Policy['definition'], 'overdraft'>

/** Decides one check at `nowMs`, and changes its bucket. */
type BucketOperation = (
  stored: Bucket | undefined,
  limits: readonly LimitArithmetic[],
  tokens: number,
  nowMs: number,
) => BucketCheckResult

/** What a check under a policy does. @param tokens those below 0 are given back */
export function operationOf(definition: Definition, tokens: number): BucketOperation {
  if (tokens < 0) return giveBack
  return chargesDenials(definition, tokens) ? chargeAnyway : checkBucket
}

/** Whether such a check is charged also if it is denied. */
export function chargesDenials({ overdraft }: Definition, tokens: number): boolean {
  return overdraft === true && tokens > 0
}

function chargeAnyway(...[stored, limits, tokens, nowMs]: Parameters<BucketOperation>): BucketCheckResult {
  const { bucket, atMs, reading } = readBucket(openBucket(stored, nowMs).bucket, limits, { tokens }, nowMs)
  const violated = limits.map((limit, i) => !allows(limit, reading.spent[i] ?? 0, reading.held, { tokens }))
  const spent = limits.map((limit, i) => chargedWith(tokens, limit, reading.spent[i] ?? 0))
  return {
    reading: {
      ...reading,
      spent,
      ...(violated.includes(true) && { violated }),
      ...(!reading.allowed && { charged: fewestCharged(limits, reading.spent, spent) }),
    },
    bucket: unlessFull(withSpent(bucket, limits, spent, atMs), nowMs),
  }
}

/** Whole tokens. A shadow limit does not change what its key is charged. */
function fewestCharged(
  limits: readonly LimitArithmetic[],
  before: readonly number[],
  after: readonly number[],
): number {
  const charged = limits.map((limit, i) => floorDiv((after[i] ?? 0) - (before[i] ?? 0), limit.unitsPerToken))
  return Math.min(...charged.filter((_, i) => limits[i]?.isSpent && !limits[i]?.isShadow))
}

/** Debt is at most one capacity. What exceeds it is not charged, and what was owed before stays. */
function chargedWith(tokens: number, limit: LimitArithmetic, spent: number): number {
  const mostUnits = limit.capacityUnits + limit.demandOf({ tokens: limit.maxTokensPerCheck })
  return Math.max(spent, Math.min(limit.chargedWith(tokens, spent), mostUnits))
}

/** Gives back at most what is spent, and allows, even if the bucket is still in debt. */
function giveBack(...[stored, limits, tokens, nowMs]: Parameters<BucketOperation>): BucketCheckResult {
  const { bucket, atMs, reading } = readBucket(openBucket(stored, nowMs).bucket, limits, { tokens: 0 }, nowMs)
  const { violated: _, ...found } = reading
  const spent = found.spent.map((units, i) => Math.max(0, units + tokens * (limits[i]?.unitsPerToken ?? 0)))
  const isSpent = found.spent.some(units => units > 0)
  const after = isSpent ? withSpent(bucket, limits, spent, atMs) : bucket
  return { reading: { ...found, allowed: true, spent }, bucket: after && unlessFull(after, nowMs) }
}

function unlessFull(bucket: Bucket, nowMs: number): Bucket | undefined {
  return forgottenAt(bucket) <= nowMs ? undefined : bucket
}
