/** A hold that ended with a charge of less than it held: its expiry found a limit at its bound of debt, or none, or a reset forgot it before. */
export interface Shortfall {
  /** Of the hold's reservation. */
  readonly id: string
  readonly expiresAtMs: number
  /** Whether a reset has forgotten the hold before it expired. */
  readonly isReset: boolean
  readonly charged: ChargedBefore
}

/** Whole tokens that were charged before a settlement. */
export interface ChargedBefore {
  /** Of limits that were charged less, by their id. */
  readonly less: ReadonlyMap<number, number>
  /** Of every other limit. */
  readonly tokens: number
}

export const NOTHING_CHARGED: ChargedBefore = { less: new Map(), tokens: 0 }

export function chargedTo(id: number, { less, tokens }: ChargedBefore): number {
  return less.get(id) ?? tokens
}

/** The fewest over the limits. */
export function leastCharged({ less, tokens }: ChargedBefore): number {
  return Math.min(tokens, ...less.values())
}
