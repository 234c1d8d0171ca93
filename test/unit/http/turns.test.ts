import { afterEach, beforeEach, expect, it, jest } from '@jest/globals'
import { Turns } from '../../../src/http/turns.ts'

let ranAt: number[]
let begin: number

beforeEach(() => {
  jest.useFakeTimers()
  ranAt = []
  begin = performance.now()
})
afterEach(() => {
  jest.useRealTimers()
})

function add(turns: Turns, count: number, takesMs = 0): void {
  for (let i = 0; i < count; i++) {
    turns.add(() => {
      ranAt.push(performance.now() - begin)
      jest.setSystemTime(Date.now() + takesMs)
      jest.advanceTimersByTime(takesMs)
    })
  }
}

const pauses = () => ranAt.slice(1).map((ms, i) => ms - (ranAt[i] ?? 0))

it('tasks run in order, as soon as the event loop turns', () => {
  const turns = new Turns()
  const order: string[] = []
  for (const name of ['a', 'b', 'c']) turns.add(() => order.push(name))
  expect(order).toEqual([])
  jest.advanceTimersByTime(10)
  expect(order).toEqual(['a', 'b', 'c'])
})

it('tasks run at their pace after a burst', () => {
  const turns = new Turns({ perSecond: 100, burst: 5 })
  jest.advanceTimersByTime(1_000)
  begin = performance.now()
  add(turns, 15)
  jest.advanceTimersByTime(1_000)
  expect(ranAt.filter(ms => ms < 10)).toHaveLength(6)
  expect(pauses().slice(6)).toEqual(Array(8).fill(10))
})

it('a long task leaves others five times as long, and a short one does not', () => {
  const turns = new Turns()
  add(turns, 2, 20)
  add(turns, 2, 1)
  jest.advanceTimersByTime(1_000)
  expect(pauses()).toEqual([120, 120, 1])
})

it('a task that throws does not keep the next from running', () => {
  const turns = new Turns()
  turns.add(() => {
    throw new Error('a fault')
  })
  add(turns, 1)
  expect(() => jest.advanceTimersByTime(10)).toThrow('a fault')
  jest.advanceTimersByTime(10)
  expect(ranAt).toHaveLength(1)
})
