import type { Decision } from '../domain/decision.ts'
import type { Hold, OnExpiry } from '../domain/holds.ts'
import type { Policy } from '../domain/policy.ts'
import type { BucketReading } from '../domain/reading.ts'
import type { EndedStatus, NamedKey, Reservation } from '../domain/reservation.ts'
import type { ReservationId } from '../domain/reservation-id.ts'

/** The call that asks, such as a request over HTTP. A store that traces its calls finds the call's span by this object. */
export interface CheckOrigin {
  /** Told to observers, if its protocol has ids. */
  readonly id?: string | undefined
}

/** What a call asks of the store. */
interface Asked {
  /** Absent if no call asks, as for probes. */
  readonly origin?: CheckOrigin | undefined
}

/** One check, as the store sees it. */
export interface BucketCheck extends Asked {
  readonly key: string
  readonly policy: Policy
  /** 0 reads and spends nothing. Less than 0 is given back, which is always allowed. */
  readonly tokens: number
  /** It is part of a reservation, so limits of concurrent reservations decide it too. */
  readonly reserves?: true
}

/** Holds the buckets. Decides checks exactly, in the given order, and all by one clock. Denied checks of policies with overdraft are charged. */
export interface BucketStore {
  /**
   * Returns one reading for each check; `undefined` where the store was unavailable for it. Rejects if the store is unavailable;
   * whether tokens were spent is then unknown.
   */
  check(checks: readonly BucketCheck[]): Promise<readonly (BucketReading | undefined)[]>
  /** Fills a bucket. Rejects if the store is unavailable. */
  reset(key: string): Promise<void>
}

/** Checks of different keys, decided together: either all are allowed, or nothing is spent. */
export interface CheckGroup extends Asked {
  /**
   * At most 16. All of them have `reserves` if the group has a hold. A group with a hold may have none: it only finds what an earlier
   * request with its id holds.
   */
  readonly checks: readonly BucketCheck[]
  /** For each check, whether its policy is in mode `shadow`: it never denies the group, and spends nothing if it would be denied. */
  readonly shadowed: readonly boolean[]
  /** Present for a reservation: the tokens are held instead of spent. */
  readonly hold?: HoldRequest | undefined
}

export interface HoldRequest {
  readonly id: ReservationId
  readonly ttlMs: number
  readonly onExpiry: OnExpiry
  /** No earlier request can have the same id. */
  readonly isNew?: boolean
  /** 1 to 32 characters. Tells a repeated request from another one with the same id. */
  readonly fingerprint: string
  /** Every key of the request, in its order. Those that have no check in the group hold nothing. */
  readonly named: readonly NamedKey[]
}

export interface GroupReading {
  /** Of each check, as it alone would get: after spending or holding if the group is allowed. */
  readonly readings: readonly BucketReading[]
  readonly allowed: boolean
  /** What is held under the id of the request, perhaps since an earlier request. Absent if nothing is. */
  readonly reservation?: { readonly expiresAtMs: number; readonly isRepeated?: true } | undefined
  readonly refusal?: HoldRefusal
}

/** Why an allowed group holds nothing. `index` is that of the check whose key has too many reservations. */
export type HoldRefusal =
  | { readonly reason: 'too-many-reservations'; readonly index: number; readonly retryAfterMs: number }
  | { readonly reason: 'idempotency-key-reused' }

/** Tokens to settle: for every key, for each key, as reserved, or none because the work was not done. */
export type Amounts = number | ReadonlyMap<string, number> | 'reserved' | 'release'

export interface Settlement extends Asked {
  readonly id: ReservationId
  readonly amounts: Amounts
  /** The policy in force for a key of the reservation. */
  policyOf(named: NamedKey): Policy
}

/** A key after settling. */
export interface SettledKey {
  readonly key: string
  /** That were reserved. Absent if nothing was held of the key. */
  readonly reserved?: number | undefined
  /** That were settled. */
  readonly tokens: number
  /** That were charged in all, by expiry too: the smallest number over the limits. */
  readonly charged: number
  readonly policy: Policy
  /** Of a check of 0 tokens; absent if the policy in force has no limits. */
  readonly reading?: BucketReading | undefined
}

export type SettlementResult =
  | { readonly status: 'settled' | 'released'; readonly keys: readonly SettledKey[]; readonly isRepeated?: true }
  /** With other amounts, or released. */
  | { readonly status: 'ended'; readonly ended: EndedStatus }
  /** The amounts do not name exactly the keys of the reservation. */
  | { readonly status: 'keys-differ'; readonly keys: readonly string[] }
  | { readonly status: 'not-found' }

export interface Extension extends Asked {
  readonly id: ReservationId
  /** Counts from now; as at the start if absent. */
  readonly ttlMs?: number | undefined
}

export type ExtensionResult =
  | { readonly status: 'extended'; readonly expiresAtMs: number }
  | { readonly status: 'ended'; readonly ended: EndedStatus | 'expired' }
  | { readonly status: 'not-found' }

/**
 * The result of a call that was not decided: more reservations expired before its own than one access settles, and it has settled some of
 * them. It is to be asked again.
 */
export const UNFINISHED = Symbol('unfinished')
export type Unfinished = typeof UNFINISHED

/**
 * Groups of checks, and reservations. Each method decides its items one after another, and returns one result for each; `undefined`
 * where the store was unavailable for it. They reject if the store is unavailable; whether anything was done is then unknown.
 */
export interface ReservationStore {
  checkAll(groups: readonly CheckGroup[]): Promise<readonly (GroupReading | undefined)[]>
  settle(settlements: readonly Settlement[]): Promise<readonly (SettlementResult | Unfinished | undefined)[]>
  extend(extensions: readonly Extension[]): Promise<readonly (ExtensionResult | Unfinished | undefined)[]>
  /** `null` for an id that is not known, or not any more. */
  read(ids: readonly ReservationId[]): Promise<readonly (Reservation | null | Unfinished | undefined)[]>
  /** The first holds of a key by expiry, at most 100, without those that have expired. */
  holdsOf(key: string): Promise<readonly Hold[]>
}

/** Counts what becomes of reservations, once for each key. */
export interface ReservationObserver {
  reserved(check: Pick<BucketCheck, 'key' | 'policy'>, outcome: 'held' | 'denied'): void
  /** A reservation that held tokens of the key was settled or released for the first time. */
  ended(key: SettledKey, status: EndedStatus): void
  /** So many reservations were found expired. The policy is the one in force for the key by now. */
  expired(check: Pick<BucketCheck, 'key' | 'policy'>, reservations: number): void
}

/** Everything that is kept of keys. */
export interface KeyStore extends BucketStore, ReservationStore {}

/** A part of a store that fails independently of the others. */
export interface BucketShard extends KeyStore {
  readonly name: string
  /** A key of this shard that callers may not use. */
  readonly probeKey: string
}

/** A store in shards. Shards, and the keys that they hold, may change at any time. */
export interface ShardedBucketStore {
  readonly shards: readonly BucketShard[]
  /** The shard that holds the key's bucket now. */
  shardOf(key: string): BucketShard
  /** The shard that holds the record of a reservation now. */
  shardOfReservation(id: ReservationId): BucketShard
}

/** Counts what the flow does. */
export interface CheckObserver {
  /** @param requestId id of the request that asked, if its protocol has ids */
  decided(decision: Decision, seconds: number, requestId?: string): void
  /** The store was unavailable, and the policy denies checks meanwhile. Invalid input is not reported. */
  undecided(check: BucketCheck, seconds: number): void
  /** A batch was sent; a group, or a call on a reservation, counts as one check. `failure` is one of few words; absent if the batch was answered. */
  storeCalled(checks: number, seconds: number, failure?: string): void
}
