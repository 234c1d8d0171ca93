import { checkBucket, periodsAt, previewOf } from '../domain/bucket.ts'
import { forgottenAt } from '../domain/bucket-state.ts'
import type { CompiledLimit } from '../domain/limits/limit.ts'
import type { LimitArithmetic } from '../domain/limits/limit-arithmetic.ts'
import { enforced } from '../domain/limits/shadow.ts'
import { operationOf } from '../domain/overdraft.ts'
import type { Policy } from '../domain/policy.ts'
import type { BucketReading } from '../domain/reading.ts'
import type { Bucket, BucketEntry } from '../domain/stored-bucket.ts'
import { setBounded } from '../lib/set-bounded.ts'
import type { OutageClock } from './outage-clock.ts'
import type { BucketCheck } from './ports.ts'

/** A full bucket is dropped when it has not been used for this long, in ms. */
const IDLE_MS = 600_000

/**
 * Past this number, the hundredth that was used longest ago is dropped, which makes these buckets full. With the longest keys, buckets of
 * eight limits take 100 MB then, and those of one limit 50 MB.
 */
const MAX_BUCKETS = 80_000

interface LocalBucket {
  /** Processes that share the limits: the most that were known while this bucket was kept. */
  readonly processes: number
  /** The clock by which it refills: that of the part of the store which held the key's bucket at the last check. */
  readonly outage: Outage
  /** One instant by that clock, and by its own, which is slower by the number of processes since then. Whole numbers. */
  readonly sinceMs: number
  readonly ownSinceMs: number
  /** When it was last used, by that clock. */
  readonly usedMs: number
  readonly bucket: Bucket
  /** When it is full if its refill is never paused, by the process's clock. */
  readonly fullAtMs: number
  readonly lastUsedAtMs: number
}

export interface LocalReading {
  readonly reading: BucketReading
  /** The limits that it counts by. */
  readonly counted: readonly LimitArithmetic[]
}

/** The clock of a part of the store. Shares of its keys refill by this clock. */
type Outage = Pick<OutageClock, 'elapsedMs' | 'isRunning' | 'refillPausedMs'>

interface LocalBucketsOptions {
  /** Processes that share each limit, as far as known. */
  processes(): number
  /** The clock of the part of the store that holds the key's bucket now. */
  outageOf(key: string): Outage
  /** A monotonic clock, in ms. */
  now(): number
  /** The time in ms since 1970, which tells the periods of quotas. */
  calendarNow(): number
}

/** Shares of the limits that a policy enforces, with the periods that they belong to. Shadow limits are ignored in an outage. */
interface Shares extends Pick<BucketReading, 'periods'> {
  readonly processes: number
  readonly limits: readonly LimitArithmetic[]
  /** In ms since 1970. */
  readonly untilMs: number
}

/**
 * This process's own buckets, for checks that the store does not answer. Each holds the process's share of the limits. A check
 * larger than the share passes when the bucket is full, and puts it into debt. So in an outage of length T, N processes together
 * admit at most N · ⌈capacity ÷ N⌉ + refill · T + N · (the largest check).
 *
 * Buckets are kept when the store recovers; otherwise a flapping store would give away the shares each time. Shares refill only
 * during outages, since the store refills its own buckets in between. A share is full again after enough time of outages, or
 * once the store finds the key's bucket full and the share has had the time to refill.
 */
export class LocalBuckets {
  readonly #options: LocalBucketsOptions
  readonly #buckets = new Map<string, LocalBucket>()
  readonly #shares = new WeakMap<Policy, Shares>()

  constructor(options: LocalBucketsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#buckets.size
  }

  check(check: BucketCheck): LocalReading {
    return this.#apply(operationOf(check.policy.definition, check.tokens), check)
  }

  /** A denied check of a group charges nothing, also with overdraft. */
  checkInGroup(check: BucketCheck): LocalReading {
    return this.#apply(checkBucket, check)
  }

  #apply(operation: typeof checkBucket, { key, policy, tokens }: BucketCheck): LocalReading {
    const outage = this.#options.outageOf(key)
    const nowMs = this.#options.now()
    const kept = this.#buckets.get(key)
    const processes = Math.max(kept?.processes ?? 1, this.#options.processes())
    const ownMs = kept === undefined ? 0 : ownTime(kept, processes, outage)
    const { limits: counted, periods } = this.#sharesOf(policy, processes)
    const { reading, bucket } = operation(kept?.bucket, counted, tokens, ownMs)
    const refillPausedMs = Math.ceil(outage.refillPausedMs)
    if (bucket === undefined) this.#buckets.delete(key)
    else setBounded(this.#buckets, key, used(kept, { outage, processes, ownMs, bucket, nowMs }), MAX_BUCKETS)
    return { reading: { ...reading, ...(periods && { periods }), refillPausedMs }, counted }
  }

  /** What `check` would find, without spending. */
  preview(check: BucketCheck): LocalReading {
    const { reading, counted } = this.check({ ...check, tokens: 0 })
    return { reading: previewOf(reading, counted, check.tokens), counted }
  }

  /** Drops full buckets that are not used any more. */
  sweep(): void {
    const nowMs = this.#options.now()
    for (const [key, { fullAtMs, lastUsedAtMs }] of this.#buckets) {
      if (nowMs >= fullAtMs && nowMs - lastUsedAtMs >= IDLE_MS) this.#buckets.delete(key)
    }
  }

  /** Fills a bucket, because an operator has. */
  forget(key: string): void {
    this.#buckets.delete(key)
  }

  /**
   * The store has answered a check of a key. So the key has no outage, even while its clock runs: the bucket may have moved to another part
   * of the store. The share does not refill by the time that the clock has counted.
   */
  answered(key: string): void {
    const kept = this.#buckets.get(key)
    if (kept?.outage.isRunning !== true) return
    const usedMs = elapsedMs(kept.outage)
    this.#buckets.set(key, { ...kept, ownSinceMs: ownTimeOfUse(kept), sinceMs: usedMs, usedMs })
  }

  /**
   * The store has found all limits that a policy enforces full for a key. Their refill may have been lost since, so the shares are full
   * too, unless they have been spent so recently that the store cannot have refilled as much. Other limits may not be full.
   */
  foundFull({ key, policy }: Pick<BucketCheck, 'key' | 'policy'>): void {
    const kept = this.#buckets.get(key)
    if (kept === undefined || this.#options.now() < kept.fullAtMs) return
    const bucket = withoutLimits(kept.bucket, enforced(policy.limits))
    if (bucket.entries.length + bucket.others.length === 0) this.#buckets.delete(key)
    else this.#buckets.set(key, { ...kept, bucket })
  }

  #sharesOf(policy: Policy, processes: number): Shares {
    const nowMs = this.#options.calendarNow()
    const known = this.#shares.get(policy)
    if (known?.processes === processes && nowMs < known.untilMs) return known
    const limits = enforced(policy.limits)
    const { periods } = periodsAt(limits, nowMs, nowMs)
    const shares = {
      processes,
      limits: limits.map(limit => limit.shareOf(processes, nowMs)),
      untilMs: nowMs + Math.min(...(periods ?? []).map(period => period?.endsInMs ?? Number.POSITIVE_INFINITY)),
      ...(periods && { periods }),
    }
    this.#shares.set(policy, shares)
    return shares
  }
}

function withoutLimits(bucket: Bucket, limits: readonly CompiledLimit[]): Bucket {
  const isOther = ({ id }: BucketEntry) => !limits.some(limit => limit.id === id)
  return { ...bucket, entries: bucket.entries.filter(isOther), others: bucket.others.filter(isOther) }
}

interface Use extends Pick<LocalBucket, 'outage' | 'processes' | 'bucket'> {
  readonly ownMs: number
  readonly nowMs: number
}

/** The bucket after a check. As long as its clock is the same, it counts from the same instant, so that no fraction is lost. */
function used(kept: LocalBucket | undefined, { outage, processes, bucket, ownMs, nowMs }: Use): LocalBucket {
  const usedMs = elapsedMs(outage)
  const isSameClock = kept?.outage === outage && kept.processes === processes
  const { sinceMs, ownSinceMs } = isSameClock ? kept : { sinceMs: usedMs, ownSinceMs: ownMs }
  const isUnchanged = bucket === kept?.bucket && processes === kept.processes
  const fullAtMs = isUnchanged ? kept.fullAtMs : nowMs + (forgottenAt(bucket) - ownMs) * processes
  return { processes, outage, sinceMs, ownSinceMs, usedMs, bucket, fullAtMs, lastUsedAtMs: nowMs }
}

/**
 * Never rounded up, and divided once: a share would refill too early by the errors of many small steps. The time since the last use
 * counts by the processes of now, and only if the key's bucket is still in the same part of the store.
 */
function ownTime(kept: LocalBucket, processes: number, outage: Outage): number {
  if (outage !== kept.outage) return ownTimeOfUse(kept)
  const nowMs = Math.max(kept.usedMs, elapsedMs(outage))
  if (processes === kept.processes) return kept.ownSinceMs + partOf(kept.sinceMs, nowMs, processes)
  return ownTimeOfUse(kept) + partOf(kept.usedMs, nowMs, processes)
}

function ownTimeOfUse({ ownSinceMs, sinceMs, usedMs, processes }: LocalBucket): number {
  return ownSinceMs + partOf(sinceMs, usedMs, processes)
}

function partOf(fromMs: number, toMs: number, divisor: number): number {
  return Math.floor((toMs - fromMs) / divisor)
}

function elapsedMs(outage: Outage): number {
  return Math.floor(outage.elapsedMs)
}
