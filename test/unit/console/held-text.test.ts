import { expect, it } from '@jest/globals'
import { heldText } from '../../../console/text/held-text.ts'

const holds = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ tokens: 2, expiresAt: `2026-01-31T14:03:${i === 0 ? '07' : '59'}.000Z` }))

it.each([
  [1, /^Reservations in progress: 1, which hold 2 tokens\. The next one expires at .*:03:07\.$/],
  [99, /^Reservations in progress: 99, which hold 198 tokens\. The next one expires at .*:03:07\.$/],
  // The service lists no more, so there may be more.
  [
    100,
    /^Reservations in progress: at least 100\. The first 100 to expire hold 200 tokens\. The next one expires at .*:03:07\.$/,
  ],
])('says what %d listed reservations hold', (count, text) => {
  expect(heldText(holds(count))).toMatch(text)
})
