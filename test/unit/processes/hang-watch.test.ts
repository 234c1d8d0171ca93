import type { ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals'
import { watchForWedge } from '../../../src/processes/hang-watch.ts'

const LIMITS = { intervalMs: 10, silentLooks: 2, silentLooksAtStart: 5 }

let child: ChildProcess
let wedged: jest.Mock<() => void>
beforeEach(() => {
  jest.useFakeTimers()
  child = new EventEmitter() as ChildProcess
  wedged = jest.fn<() => void>()
  watchForWedge(child, wedged, LIMITS)
})
afterEach(() => void jest.useRealTimers())

it('reports a child that never speaks, once, after the limit of the start', () => {
  jest.advanceTimersByTime(50)
  expect(wedged).not.toHaveBeenCalled()
  jest.advanceTimersByTime(100)
  expect(wedged).toHaveBeenCalledTimes(1)
})

it('reports a child that falls silent sooner', () => {
  child.emit('message', { type: 'alive' })
  jest.advanceTimersByTime(20)
  expect(wedged).not.toHaveBeenCalled()
  jest.advanceTimersByTime(10)
  expect(wedged).toHaveBeenCalledTimes(1)
})

it.each([
  ['has ended', 'exit'],
  ['could not be started', 'error'],
])('does not report a child that %s', (_, event) => {
  child.emit(event)
  jest.advanceTimersByTime(1_000)
  expect(wedged).not.toHaveBeenCalled()
})
