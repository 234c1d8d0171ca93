/** Tokens and slots that a bucket holds for work in progress. They are not available to anyone else, and do not refill. */

export const ON_EXPIRY = ['charge', 'release'] as const
/** What happens to a hold at its deadline. */
export type OnExpiry = (typeof ON_EXPIRY)[number]

/** Holds that a key can have at once. */
export const MAX_HOLDS = 1_000

/** What one reservation holds of one key. */
export interface Hold {
  /** Of its reservation. */
  readonly id: string
  readonly tokens: number
  /** By the store's clock, in ms since 1970. */
  readonly expiresAtMs: number
  readonly onExpiry: OnExpiry
}
