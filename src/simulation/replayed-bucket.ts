import type { CompiledLimit } from '../domain/limits/limit.ts'
import { allows, CLOCK_TOLERANCE_MS, type Demand } from '../domain/limits/limit-arithmetic.ts'
import { chargesDenials, operationOf } from '../domain/overdraft.ts'
import type { PolicyDefinition } from '../domain/policy.ts'
import type { BucketReading } from '../domain/reading.ts'
import type { Bucket } from '../domain/stored-bucket.ts'

export type Limits = readonly CompiledLimit[]
type Overdraft = Pick<PolicyDefinition, 'overdraft'>

/** `shadowed`: allowed, though shadow limits would deny. */
export type Verdict = 'allowed' | 'shadowed' | 'denied'

/** The bucket of a key for which several policies have decided, and the units that the last check found spent. */
interface OfSeveral {
  readonly bucket: Bucket | undefined
  readonly spent: readonly number[]
}

/** What was spent of one limit. */
interface Spending {
  readonly unitsPerToken: number
  spent: number
  lastSpentAtMs: number
}

/**
 * The bucket of one key, as `checkBucket` specifies it. While one policy decides for the key, which is the rule, the bucket changes in
 * place, since the specification creates ten objects for each check. Once another policy decides, or one with overdraft, the
 * specification itself does.
 */
export class ReplayedBucket {
  /** Of the policy that decided first. */
  readonly #limits: Limits
  readonly #spendings: readonly Spending[]
  #lastSpentAtMs = 0
  #fullAtMs = 0
  /** Set once several policies have decided. */
  #ofSeveral: OfSeveral | undefined

  constructor(limits: Limits) {
    this.#limits = limits
    this.#spendings = limits.map(({ unitsPerToken }) => ({ unitsPerToken, spent: 0, lastSpentAtMs: 0 }))
  }

  /**
   * Decides a check, and spends if the enforced limits allow it, or with overdraft.
   * @param nowMs since 1970, in whole ms
   */
  check(limits: Limits, tokens: number, nowMs: number, overdraft: Overdraft = {}): Verdict {
    if (limits !== this.#limits || chargesDenials(overdraft, tokens))
      this.#ofSeveral ??= { bucket: this.#toBucket(), spent: [] }
    if (this.#ofSeveral === undefined) return this.#checkInPlace(tokens, nowMs)
    const { bucket, reading } = operationOf(overdraft, tokens)(this.#ofSeveral.bucket, limits, tokens, nowMs)
    this.#ofSeveral = { bucket, spent: reading.spent }
    return verdictOf(reading)
  }

  /** The units spent of a limit after the last check, if that spent. @param index of the limit in the policy that decided */
  spentOf(index: number): number {
    return (this.#ofSeveral === undefined ? this.#spendings[index]?.spent : this.#ofSeveral.spent[index]) ?? 0
  }

  #checkInPlace(tokens: number, nowMs: number): Verdict {
    if (nowMs >= this.#fullAtMs) this.#forget()
    else if (this.#lastSpentAtMs - nowMs > CLOCK_TOLERANCE_MS) this.#setBack(nowMs)
    const atMs = Math.max(nowMs, this.#lastSpentAtMs)
    const asked = { tokens }
    const verdict = this.#verdict(asked, atMs)
    if (verdict !== 'denied' && tokens > 0) this.#spend(asked, atMs)
    return verdict
  }

  #verdict(asked: Demand, atMs: number): Verdict {
    let verdict: Verdict = 'allowed'
    for (let i = 0; i < this.#limits.length; i++) {
      const limit = this.#limits[i] as CompiledLimit
      if (allows(limit, limit.spentAt(this.#spendings[i] as Spending, atMs), undefined, asked)) continue
      if (!limit.isShadow) return 'denied'
      verdict = 'shadowed'
    }
    return verdict
  }

  #spend(asked: Demand, atMs: number): void {
    let fullAfterMs = 0
    for (let i = 0; i < this.#limits.length; i++) {
      const limit = this.#limits[i] as CompiledLimit
      const spending = this.#spendings[i] as Spending
      const spent = limit.spentAt(spending, atMs)
      spending.spent = allows(limit, spent, undefined, asked) ? spent + limit.demandOf(asked) : spent
      spending.lastSpentAtMs = atMs
      fullAfterMs = Math.max(fullAfterMs, limit.fullAfterMs(spending.spent, atMs))
    }
    this.#lastSpentAtMs = atMs
    this.#fullAtMs = atMs + fullAfterMs
  }

  #forget(): void {
    if (this.#fullAtMs === 0) return
    this.#fullAtMs = 0
    this.#lastSpentAtMs = 0
    for (const spending of this.#spendings) {
      spending.spent = 0
      spending.lastSpentAtMs = 0
    }
  }

  /** A clock that went back too far is believed. */
  #setBack(nowMs: number): void {
    this.#fullAtMs -= this.#lastSpentAtMs - nowMs
    this.#lastSpentAtMs = nowMs
    for (const spending of this.#spendings) spending.lastSpentAtMs = nowMs
  }

  /** As the specification stores it: only of limits that a check spends. */
  #toBucket(): Bucket | undefined {
    const entries = this.#spendings.flatMap(({ unitsPerToken, spent }, i) => {
      const { id, isSpent } = this.#limits[i] as CompiledLimit
      return isSpent ? [{ id, unitsPerToken, spent }] : []
    })
    if (this.#fullAtMs === 0 || entries.length === 0) return undefined
    return { lastSpentAtMs: this.#lastSpentAtMs, fullAtMs: this.#fullAtMs, entries, others: [] }
  }
}

function verdictOf({ allowed, violated }: BucketReading): Verdict {
  if (!allowed) return 'denied'
  return violated === undefined ? 'allowed' : 'shadowed'
}
