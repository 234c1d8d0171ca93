/** The last moment that a `Date` can be, in ms since 1970. @see https://tc39.es/ecma262/#sec-time-values-and-time-range */
export const MAX_DATE_MS = 8_640_000_000_000_000

/** Whether a number is a moment since 1970, in whole ms. */
export function isDateMs(ms: number): boolean {
  return Number.isSafeInteger(ms) && ms >= 0 && ms <= MAX_DATE_MS
}
