import { expect, it, jest } from '@jest/globals'
import { LargeRequests } from '../../../src/connections/large-requests.ts'

const requests = new LargeRequests(new AbortController().signal)

it('a request that is small and has few elements is handled at once', () => {
  expect(requests.turnsFor(8_192)).toBeUndefined()
  expect(requests.turnsFor(8_192, () => 401)).toBeUndefined()
})

it.each([
  ['bytes', 8_193, 0],
  ['elements', 8_192, 402],
])('a request with many %s is handled in its turn', (_name, bytes, elements) => {
  expect(requests.turnsFor(bytes, () => elements)).toBeDefined()
})

it('elements are counted only in a request that is small and can have many', () => {
  const count = jest.fn(() => 0)
  for (const bytes of [0, 802, 8_193, 65_537]) requests.turnsFor(bytes, count)
  expect(count).not.toHaveBeenCalled()
  requests.turnsFor(803, count)
  expect(count).toHaveBeenCalledTimes(1)
})
