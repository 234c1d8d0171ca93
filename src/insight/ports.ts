/** What this flow needs of a store that all instances share. */

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
