const IS_LONG = process.env['TEST_LONG'] !== undefined

/** Set where the same properties have been tried before, such as on another version of Node.js. */
const IS_BRIEF = process.env['TEST_BRIEF'] !== undefined

/** How often a property is tried: a few times by default, many times with `npm run test:long`, and a fifth as often with `TEST_BRIEF`. */
export function runs(short: number, long: number): { readonly numRuns: number } {
  if (IS_LONG) return { numRuns: long }
  return { numRuns: IS_BRIEF ? Math.ceil(short / 5) : short }
}

/** Time limit of one property, in ms. */
export const PROPERTY_TIMEOUT_MS = IS_LONG ? 3_600_000 : 60_000
