/** What this flow needs of a store that all instances share. */
import type { DecisionSource } from '../domain/decision.ts'

/** How a check ended; `shadowed`: allowed, though a shadow limit or a policy in mode `shadow` would have denied it. */
export const OUTCOMES = ['allowed', 'denied', 'shadowed', 'error'] as const
export type Outcome = (typeof OUTCOMES)[number]
export type OutcomeCounts = Readonly<Record<Outcome, number>>

/** A resolution in which counts by outcome are kept. */
export interface Grain {
  readonly ms: number
  /** How long the counts can be read, in ms. */
  readonly keptMs: number
}

export const FINE_GRAIN: Grain = { ms: 5_000, keptMs: 3_600_000 }
export const COARSE_GRAIN: Grain = { ms: 60_000, keptMs: 90_000_000 }

/** Counts of checks by outcome. Rejects if the store is unavailable. */
export interface OutcomeStore {
  /** Adds to the counts of the time `atMs`, in ms since 1970. */
  add(atMs: number, counts: OutcomeCounts): Promise<void>
  /** The counts of each grain between two multiples of the grain, oldest first. */
  read(grain: Grain, fromMs: number, toMs: number): Promise<readonly OutcomeCounts[]>
}

/** What `/top` counts of each key. A shadowed check is also an allowed one. Tokens are those that were spent. */
export const MEASURES = ['denied', 'allowed', 'tokens', 'shadowed'] as const
export type Measure = (typeof MEASURES)[number]

/** A whole minute or hour. Each hour is counted on its own, beside its minutes. */
export interface Period {
  readonly unit: 'minute' | 'hour'
  /** In minutes or hours since 1970. */
  readonly number: number
}

export const PERIOD_MS: Readonly<Record<Period['unit'], number>> = { minute: 60_000, hour: 3_600_000 }

export function periodOf(unit: Period['unit'], atMs: number): Period {
  return { unit, number: Math.floor(atMs / PERIOD_MS[unit]) }
}

/** By how much the count of a key has grown. */
export interface Growth {
  readonly key: string
  /** The config key of the policy that decided last. */
  readonly policy: string
  readonly growth: number
  /** The policy of the previous report of this key, if it was another one. */
  readonly earlierPolicy: string | undefined
}

/** What a process reports about one measure. */
export interface MeasureReport {
  readonly measure: Measure
  readonly growths: readonly Growth[]
  /** By how much the bound has grown within the minute of what the process has left out of a count; negative if it has shrunk. */
  readonly errorGrowth: number
}

export interface KeyCount {
  readonly key: string
  readonly policy: string
  readonly count: number
}

export interface StoredCounts {
  /** Largest first. A key with several policies may have several counts. */
  readonly counts: readonly KeyCount[]
  /** The true number of a key exceeds the sum of its counts by at most this, also of a key without a count. */
  readonly error: number
}

/** Counts of the keys with the largest ones, by period. Their number is bounded. Rejects if the store is unavailable. */
export interface KeyCountStore {
  /** Adds to the minute and the hour of the time `atMs`, in ms since 1970. */
  add(atMs: number, report: MeasureReport): Promise<void>
  read(measure: Measure, period: Period): Promise<StoredCounts>
}

/** Why one check was denied. */
export interface Denial {
  /** In ms since 1970. */
  readonly atMs: number
  readonly key: string
  readonly policy: string
  readonly policyVersion: number
  /** The names of the limits that denied; none if the policy blocks. */
  readonly violated: readonly string[]
  readonly tokens: number
  readonly remaining: number | null
  readonly retryAfterMs: number | null
  readonly source: DecisionSource
  /** Id of the request that asked, if its protocol has ids. */
  readonly requestId: string | undefined
}

/** A record of the store: a denial, or `undefined` if it is damaged. */
export interface DenialRecord {
  /** Where it is in the store. */
  readonly place: string
  readonly denial: Denial | undefined
}

export interface DenialRange {
  /** Only denials from this time on, in ms since 1970. */
  readonly fromMs: number | undefined
  /** Only denials up to this time. */
  readonly toMs: number | undefined
  /** Only records that are older than the one at this place. */
  readonly before: string | undefined
}

/** The newest denials. Rejects if the store is unavailable. */
export interface DenialStore {
  add(denials: readonly Denial[]): Promise<void>
  /** At most `limit` records, newest first; a few of them may be out of the range. */
  read(range: DenialRange, limit: number): Promise<readonly DenialRecord[]>
}
