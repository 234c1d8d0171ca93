const IS_LONG = process.env['TEST_LONG'] !== undefined

/** How often a property is tried: a few times by default, and many times with `npm run test:long`. */
export function runs(short: number, long: number): { readonly numRuns: number } {
  return { numRuns: IS_LONG ? long : short }
}

/** Time limit of one property, in ms. */
export const PROPERTY_TIMEOUT_MS = IS_LONG ? 3_600_000 : 60_000
