import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { watchEventLoop } from '../../../src/access/overload.ts'

/** The sampling interval of the event loop. */
const TICK_MS = 20

let nowMs: number
let isOverloaded: () => boolean
beforeEach(() => {
  nowMs = 0
  jest.useFakeTimers({ doNotFake: ['performance'] })
  jest.spyOn(performance, 'now').mockImplementation(() => nowMs)
  isOverloaded = watchEventLoop(50)
})
afterEach(() => {
  jest.restoreAllMocks()
  jest.useRealTimers()
})

/** Lets the event loop turn once, and then blocks it for this long. */
function turnFor(ms: number): void {
  jest.advanceTimersByTime(TICK_MS)
  nowMs += ms
}

describe('a process', () => {
  it('is overloaded once two turns in a row take too long', () => {
    turnFor(100)
    expect(isOverloaded()).toBe(false)
    turnFor(20)
    expect(isOverloaded()).toBe(false)
    turnFor(100)
    turnFor(100)
    expect(isOverloaded()).toBe(true)
  })

  it('has recovered after a short turn, and then may again take one long turn', () => {
    turnFor(100)
    turnFor(100)
    expect(isOverloaded()).toBe(true)
    turnFor(0)
    expect(isOverloaded()).toBe(false)
    turnFor(100)
    turnFor(20)
    turnFor(20)
    turnFor(100)
    expect(isOverloaded()).toBe(false)
  })
})
