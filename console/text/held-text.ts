import type { Held } from '../api/types.ts'
import { formatCount, formatTime } from './format.ts'

/** The service lists this many reservations of a key at most, and no totals. */
const MAX_LISTED = 100

/** What the reservations in progress hold of a key. @param held in the order in which they expire, at least one */
export function heldText(held: readonly Held[]): string {
  const count = formatCount(held.length)
  const tokens = formatCount(held.reduce((sum, hold) => sum + hold.tokens, 0))
  const inProgress =
    held.length < MAX_LISTED
      ? `${count}, which hold ${tokens} tokens`
      : `at least ${count}. The first ${count} to expire hold ${tokens} tokens`
  return `Reservations in progress: ${inProgress}. The next one expires at ${formatTime(held[0]?.expiresAt ?? 0)}.`
}
