import type { ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals'
import { watchForHang } from '../../../src/processes/hang-watch.ts'

const LIMITS = { intervalMs: 10, maxMissed: 2, maxMissedAtStart: 5 }

let child: ChildProcess
let onHang: jest.Mock<() => void>
beforeEach(() => {
  jest.useFakeTimers()
  child = new EventEmitter() as ChildProcess
  onHang = jest.fn<() => void>()
  watchForHang(child, onHang, LIMITS)
})
afterEach(() => void jest.useRealTimers())

it('the watch reports a child that never sends a heartbeat, once, after the limit for starting', () => {
  jest.advanceTimersByTime(50)
  expect(onHang).not.toHaveBeenCalled()
  jest.advanceTimersByTime(100)
  expect(onHang).toHaveBeenCalledTimes(1)
})

it('the watch applies the limit for starting until the child is ready', () => {
  child.emit('message', { type: 'alive' })
  jest.advanceTimersByTime(50)
  expect(onHang).not.toHaveBeenCalled()
  jest.advanceTimersByTime(10)
  expect(onHang).toHaveBeenCalledTimes(1)
})

it('the watch reports a child that was ready and whose heartbeats stop after the shorter limit', () => {
  child.emit('message', { type: 'ready' })
  jest.advanceTimersByTime(20)
  expect(onHang).not.toHaveBeenCalled()
  jest.advanceTimersByTime(10)
  expect(onHang).toHaveBeenCalledTimes(1)
})

it.each([
  ['has ended', 'exit'],
  ['could not be started', 'error'],
])('the watch does not report a child that %s', (_, event) => {
  child.emit(event)
  jest.advanceTimersByTime(1_000)
  expect(onHang).not.toHaveBeenCalled()
})
