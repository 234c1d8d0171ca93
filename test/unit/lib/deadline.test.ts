import { afterEach, beforeEach, expect, it, jest } from '@jest/globals'
import { startDeadline } from '../../../src/lib/deadline.ts'

beforeEach(() => {
  jest.useFakeTimers()
})
afterEach(() => {
  jest.useRealTimers()
})

it.each([2, 4, 10, 100])('a deadline in %i ms is reached then, and not before', async ms => {
  const expired = jest.fn()
  startDeadline(ms, expired)
  await jest.advanceTimersByTimeAsync(ms - 1)
  expect(expired).not.toHaveBeenCalled()
  // The clock gives its last turn of the event loop a millisecond, too.
  await jest.advanceTimersByTimeAsync(2)
  expect(expired).toHaveBeenCalledTimes(1)
})

it('a deadline that has passed is reached at once', async () => {
  const expired = jest.fn()
  const setTimer = jest.spyOn(globalThis, 'setTimeout')
  startDeadline(-0.4, expired)
  await jest.advanceTimersByTimeAsync(2)
  expect(expired).toHaveBeenCalledTimes(1)
  // Node.js 24 warns of a negative time.
  for (const [, ms = 0] of setTimer.mock.calls) expect(ms).toBeGreaterThanOrEqual(0)
})

it.each([10, 100])('a deadline in %i ms can be cleared until its grace period', async ms => {
  const expired = jest.fn()
  const deadline = startDeadline(ms, expired)
  await jest.advanceTimersByTimeAsync(ms - 6)
  clearTimeout(deadline)
  await jest.advanceTimersByTimeAsync(ms)
  expect(expired).not.toHaveBeenCalled()
})
