import type {
  Amounts,
  BucketCheck,
  BucketStore,
  CheckGroup,
  Extension,
  ExtensionResult,
  GroupReading,
  HoldRequest,
  ReservationStore,
  SettledKey,
  Settlement,
  SettlementResult,
} from '../../../src/check/ports.ts'
import { openBucket, readBucket, spend } from '../../../src/domain/bucket.ts'
import type { FoundBucket } from '../../../src/domain/bucket-state.ts'
import {
  chargeUnheld,
  forgottenHolds,
  hasHold,
  heldIn,
  settleHold,
  withDeadline,
  withHold,
} from '../../../src/domain/held-bucket.ts'
import { type Hold, MAX_HOLDS, type OnExpiry } from '../../../src/domain/holds.ts'
import { operationOf } from '../../../src/domain/overdraft.ts'
import type { BucketReading } from '../../../src/domain/reading.ts'
import {
  type EndedStatus,
  KEPT_AFTER_END_MS,
  type NamedKey,
  type Reservation,
} from '../../../src/domain/reservation.ts'
import { type ChargedBefore, leastCharged, NOTHING_CHARGED, type Shortfall } from '../../../src/domain/shortfall.ts'
import type { Bucket } from '../../../src/domain/stored-bucket.ts'

/** What is kept of a reservation besides its holds. */
interface Record {
  readonly id: string
  readonly onExpiry: OnExpiry
  readonly fingerprint: string
  readonly ttlMs: number
  readonly expiresAtMs: number
  readonly keys: readonly RecordedKey[]
  readonly ended?: { readonly status: EndedStatus; readonly atMs: number }
}

interface RecordedKey extends NamedKey {
  /** `false` for a key of a policy in mode `off`, or that only a policy in mode `shadow` allowed. */
  readonly holds: boolean
  readonly settled?: number
  readonly charged?: number
}

type SettledResult = Extract<SettlementResult, { readonly keys: readonly SettledKey[] }>

/** The stores of the ports, by the specification in the domain. Tests compare the scripts with it. */
export class SpecifiedStore implements BucketStore, ReservationStore {
  /** The store's clock, in ms since 1970. */
  nowMs: number
  readonly #buckets = new Map<string, Bucket>()
  readonly #records = new Map<string, Record>()
  /** By the key, then by the id of the reservation. */
  readonly #shortfalls = new Map<string, Map<string, Shortfall>>()

  constructor(nowMs = 0) {
    this.nowMs = nowMs
  }

  /** As it is stored, without what is due. */
  stored(key: string): Bucket | undefined {
    return this.#buckets.get(key)
  }

  async check(checks: readonly BucketCheck[]): Promise<readonly BucketReading[]> {
    return checks.map(({ key, policy, tokens }) => {
      const operation = operationOf(policy.definition, tokens)
      const stored = this.#buckets.get(key)
      this.#note(key, openBucket(stored, this.nowMs).shortfalls)
      const { reading, bucket } = operation(stored, policy.limits, tokens, this.nowMs)
      this.#store(key, bucket)
      return reading
    })
  }

  async reset(key: string): Promise<void> {
    this.#note(
      key,
      forgottenHolds(this.#openWhile(key, bucket => (bucket.holds?.[0]?.expiresAtMs ?? Infinity) <= this.nowMs)),
    )
    this.#buckets.delete(key)
  }

  async holdsOf(key: string): Promise<readonly Hold[]> {
    return this.#open(key)?.holds?.slice(0, 100) ?? []
  }

  async checkAll(groups: readonly CheckGroup[]): Promise<readonly GroupReading[]> {
    return groups.map(group => this.#decide(group))
  }

  #decide(group: CheckGroup): GroupReading {
    const { checks, shadowed, hold: asked } = group
    const states = checks.map(check => readBucket(this.#open(check.key), check.policy.limits, check, this.nowMs))
    const readings = states.map(({ reading }) => reading)
    const record = asked && this.#record(asked.id)
    if (record !== undefined) return found(record, readings, asked as HoldRequest)
    if (readings.some(({ allowed }, i) => !allowed && !shadowed[i])) return { allowed: false, readings }
    return asked === undefined ? this.#spend(checks, states) : this.#hold(group, asked, states)
  }

  #spend(checks: readonly BucketCheck[], states: readonly FoundBucket[]): GroupReading {
    const readings = states.map((state, i) => {
      const { key, tokens } = checks[i] as BucketCheck
      if (!state.reading.allowed || tokens === 0) return state.reading
      const { reading, bucket } = spend(state)
      this.#store(key, bucket)
      return reading
    })
    return { allowed: true, readings }
  }

  #hold({ checks, shadowed }: CheckGroup, asked: HoldRequest, states: readonly FoundBucket[]): GroupReading {
    const readings = states.map(({ reading }) => reading)
    const hasTooMany = ({ held }: BucketReading) => held !== undefined && held.count >= MAX_HOLDS
    const index = readings.findIndex((reading, i) => hasTooMany(reading) && !shadowed[i])
    if (index !== -1) {
      const retryAfterMs = readings[index]?.held?.nextExpiryMs ?? 0
      return { allowed: true, readings, refusal: { reason: 'too-many-reservations', index, retryAfterMs } }
    }
    const { id, onExpiry, ttlMs, fingerprint, named } = asked
    const expiresAtMs = this.nowMs + ttlMs
    const holding = new Set<string>()
    const after = states.map((state, i) => {
      const { key, tokens } = checks[i] as BucketCheck
      if (!state.reading.allowed || hasTooMany(state.reading)) return state.reading
      holding.add(key)
      this.#shortfalls.get(key)?.delete(id)
      const bucket = withHold(state, { id, tokens, onExpiry, expiresAtMs })
      this.#store(key, bucket)
      const held = heldIn(bucket, this.nowMs)
      return held === undefined ? state.reading : { ...state.reading, held }
    })
    if (holding.size === 0) return { allowed: true, readings }
    const keys = named.map(name => ({ ...name, holds: holding.has(name.key) }))
    this.#records.set(id, { id, onExpiry, fingerprint, ttlMs, expiresAtMs, keys })
    return { allowed: true, readings: after, reservation: { expiresAtMs } }
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly SettlementResult[]> {
    return settlements.map(settlement => this.#settle(settlement))
  }

  #settle({ id, amounts, policyOf }: Settlement): SettlementResult {
    const record = this.#record(id)
    if (record === undefined) return { status: 'not-found' }
    this.#openAll(record)
    const tokens = tokensOf(record, amounts)
    if (tokens === undefined) return { status: 'keys-differ', keys: record.keys.map(({ key }) => key) }
    const status = amounts === 'release' ? 'released' : 'settled'
    if (record.ended !== undefined) {
      const isSame = record.ended.status === status && record.keys.every(({ settled }, i) => settled === tokens[i])
      if (!isSame) return { status: 'ended', ended: record.ended.status }
      return { ...this.#answer(record, policyOf), isRepeated: true }
    }
    const keys = record.keys.map((key, i) => ({ ...key, ...this.#settleKey(record, key, tokens[i] ?? 0, policyOf) }))
    const ended = { ...record, keys, ended: { status, atMs: this.nowMs } } as const
    this.#records.set(id, ended)
    return this.#answer(ended, policyOf)
  }

  #settleKey(record: Record, named: RecordedKey, settled: number, policyOf: Settlement['policyOf']) {
    if (!named.holds) return { settled, charged: 0 }
    const { limits } = policyOf(named)
    const bucket = this.#open(named.key)
    if (record.expiresAtMs > this.nowMs && hasHold(bucket, record.id)) {
      const after = settleHold(bucket, record.id, settled, limits, this.nowMs)
      this.#store(named.key, after.bucket)
      return { settled, charged: after.charged }
    }
    const before = this.#chargedByExpiry(record, named) ?? NOTHING_CHARGED
    const after = chargeUnheld(this.#open(named.key), { tokens: settled, before, limits }, this.nowMs)
    this.#store(named.key, after.bucket)
    return { settled, charged: after.charged }
  }

  /**
   * What the expiry of a hold has charged; `undefined` if it has not expired. If the clock went back, the deadline of a hold that is gone
   * may be ahead again: a spending at the deadline or later shows that it had passed, and so does a charge of less than was held.
   */
  #chargedByExpiry({ id, onExpiry, expiresAtMs }: Record, { key, tokens }: RecordedKey): ChargedBefore | undefined {
    const isDue = expiresAtMs <= this.nowMs
    const bucket = this.#openWhile(key, bucket => isDue && hasHold(bucket, id))
    const spentAtMs = bucket?.lastSpentAtMs ?? 0
    if (hasHold(bucket, id)) return undefined
    const shortfall = this.#shortfalls.get(key)?.get(id)
    const isLess = shortfall !== undefined && !shortfall.isReset
    const hasPassed = isDue || isLess || spentAtMs >= expiresAtMs
    if (!hasPassed) return undefined
    return shortfall?.charged ?? { ...NOTHING_CHARGED, tokens: onExpiry === 'charge' ? tokens : 0 }
  }

  #answer({ keys, ended }: Record, policyOf: Settlement['policyOf']): SettledResult {
    return {
      status: ended?.status ?? 'settled',
      keys: keys.map((named): SettledKey => {
        const { key, holds, tokens, settled = 0, charged = 0 } = named
        const policy = policyOf(named)
        const { limits } = policy
        const { reading } = readBucket(this.#open(key), limits, { tokens: 0 }, this.nowMs)
        return {
          key,
          ...(holds && { reserved: tokens }),
          tokens: settled,
          charged,
          policy,
          ...(limits.length > 0 && { reading }),
        }
      }),
    }
  }

  async extend(extensions: readonly Extension[]): Promise<readonly ExtensionResult[]> {
    return extensions.map(extension => this.#extend(extension))
  }

  #extend({ id, ttlMs }: Extension): ExtensionResult {
    const record = this.#record(id)
    if (record === undefined) return { status: 'not-found' }
    this.#openAll(record)
    const status = this.#statusOf(record)
    if (status !== 'held') return { status: 'ended', ended: status }
    const expiresAtMs = this.nowMs + (ttlMs ?? record.ttlMs)
    for (const { key, holds } of record.keys) {
      const bucket = holds ? this.#open(key) : undefined
      if (bucket !== undefined) this.#store(key, withDeadline(bucket, id, expiresAtMs))
    }
    this.#records.set(id, { ...record, expiresAtMs })
    return { status: 'extended', expiresAtMs }
  }

  async read(ids: readonly string[]): Promise<readonly (Reservation | null)[]> {
    return ids.map(id => {
      const record = this.#record(id)
      if (record === undefined) return null
      this.#openAll(record)
      const { expiresAtMs, keys } = record
      const status = this.#statusOf(record)
      const paid = (named: RecordedKey) => (named.holds && this.#chargedByExpiry(record, named)) || NOTHING_CHARGED
      return {
        id,
        status,
        expiresAtMs,
        keys: keys.map(named => {
          const { holds: _, settled: __, charged, ...rest } = named
          if (status === 'expired') return { ...rest, charged: leastCharged(paid(named)) }
          return charged === undefined ? rest : { ...rest, charged }
        }),
      }
    })
  }

  /** A hold that is gone, and has not expired, was forgotten by a reset. */
  #statusOf(record: Record): Reservation['status'] {
    if (record.ended !== undefined) return record.ended.status
    if (record.expiresAtMs <= this.nowMs) return 'expired'
    const gone = record.keys.filter(({ holds, key }) => holds && !hasHold(this.#open(key), record.id))
    if (gone.length === 0) return 'held'
    return gone.every(named => this.#chargedByExpiry(record, named) !== undefined) ? 'expired' : 'released'
  }

  #record(id: string): Record | undefined {
    const record = this.#records.get(id)
    if (record === undefined) return undefined
    const endedAtMs = record.ended?.atMs ?? record.expiresAtMs
    if (this.nowMs < endedAtMs + KEPT_AFTER_END_MS) return record
    this.#records.delete(id)
    return undefined
  }

  /** Every call on a reservation is an access to its keys. */
  #openAll({ keys }: Record): void {
    for (const { key } of keys) this.#open(key)
  }

  /** Stores what the access settled, too. */
  #open(key: string): Bucket | undefined {
    const { bucket, shortfalls } = openBucket(this.#buckets.get(key), this.nowMs)
    this.#note(key, shortfalls)
    this.#store(key, bucket)
    return bucket
  }

  /** Opens a bucket as often as there is something left in it. */
  #openWhile(key: string, isLeft: (bucket: Bucket) => boolean): Bucket | undefined {
    let bucket = this.#open(key)
    while (bucket !== undefined && isLeft(bucket)) bucket = this.#open(key)
    return bucket
  }

  #note(key: string, shortfalls: readonly Shortfall[]): void {
    const ofKey = this.#shortfalls.get(key) ?? new Map<string, Shortfall>()
    this.#shortfalls.set(key, ofKey)
    for (const shortfall of shortfalls) ofKey.set(shortfall.id, shortfall)
  }

  #store(key: string, bucket: Bucket | undefined): void {
    if (bucket === undefined) this.#buckets.delete(key)
    else this.#buckets.set(key, bucket)
  }
}

/** A repeated request gets the reservation that it made before, whatever is left now. */
function found(record: Record, readings: readonly BucketReading[], asked: HoldRequest): GroupReading {
  if (record.fingerprint !== asked.fingerprint) {
    return { allowed: true, readings, refusal: { reason: 'idempotency-key-reused' } }
  }
  const { expiresAtMs } = record
  return { allowed: true, readings: readings.map(allowing), reservation: { expiresAtMs, isRepeated: true } }
}

function allowing({ violated: _, ...reading }: BucketReading): BucketReading {
  return { ...reading, allowed: true }
}

/** The tokens of each key; `undefined` if other keys are named. */
function tokensOf({ keys }: Record, amounts: Amounts): readonly number[] | undefined {
  if (amounts === 'release') return keys.map(() => 0)
  if (amounts === 'reserved') return keys.map(({ tokens }) => tokens)
  if (typeof amounts === 'number') return keys.map(() => amounts)
  if (amounts.size !== keys.length || keys.some(({ key }) => !amounts.has(key))) return undefined
  return keys.map(({ key }) => amounts.get(key) ?? 0)
}
