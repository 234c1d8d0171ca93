import { afterEach, beforeEach, expect, it, jest } from '@jest/globals'
import { Turns } from '../../../src/lib/turns.ts'

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
    const run = () => {
      ranAt.push(performance.now() - begin)
      jest.setSystemTime(Date.now() + takesMs)
      jest.advanceTimersByTime(takesMs)
    }
    turns.add('client', { run })
  }
}

const pauses = () => ranAt.slice(1).map((ms, i) => ms - (ranAt[i] ?? 0))

/** Records the tasks that run and those that are dropped. A task is named after its client and its number. */
class Recorder {
  readonly ran: string[] = []
  readonly dropped: string[] = []

  addTo(turns: Turns, ...names: readonly string[]): (() => void)[] {
    return names.map(name =>
      turns.add(name.charAt(0), { run: () => void this.ran.push(name), drop: () => void this.dropped.push(name) }),
    )
  }
}

it('tasks of a client run in order, as soon as the event loop turns', () => {
  const turns = new Turns()
  const recorder = new Recorder()
  recorder.addTo(turns, 'a1', 'a2', 'a3')
  expect(recorder.ran).toEqual([])
  jest.advanceTimersByTime(10)
  expect(recorder.ran).toEqual(['a1', 'a2', 'a3'])
})

it('clients take turns, however many tasks one of them has', () => {
  const turns = new Turns()
  const recorder = new Recorder()
  recorder.addTo(turns, 'a1', 'a2', 'a3', 'a4', 'b1', 'c1', 'b2')
  jest.advanceTimersByTime(100)
  expect(recorder.ran).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4'])
})

it('a withdrawn task does not run, and the next one runs in its place', () => {
  const turns = new Turns({ perSecond: 1, burst: 0 })
  const recorder = new Recorder()
  const [withdraw] = recorder.addTo(turns, 'a1', 'a2')
  withdraw?.()
  jest.advanceTimersByTime(10)
  expect(recorder.ran).toEqual(['a2'])
})

it('if too many tasks wait, the client with the most loses its newest', () => {
  const turns = new Turns({ perSecond: 100, burst: 0, maxWaiting: 3 })
  const recorder = new Recorder()
  recorder.addTo(turns, 'a1', 'a2', 'a3', 'b1', 'a4')
  expect(recorder.dropped).toEqual(['a3', 'a4'])
  jest.advanceTimersByTime(1_000)
  expect(recorder.ran).toEqual(['a1', 'b1', 'a2'])
})

it('all waiting tasks can be dropped, and later ones run', () => {
  const turns = new Turns()
  const recorder = new Recorder()
  recorder.addTo(turns, 'a1', 'b1')
  turns.dropAll()
  recorder.addTo(turns, 'a2')
  jest.advanceTimersByTime(10)
  expect([recorder.dropped, recorder.ran]).toEqual([['a1', 'b1'], ['a2']])
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

it('a long task leaves others as many times its own as the pace says', () => {
  const turns = new Turns({ restPerTaskTime: 1 })
  add(turns, 2, 20)
  jest.advanceTimersByTime(1_000)
  expect(pauses()).toEqual([40])
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
  const run = () => {
    throw new Error('a fault')
  }
  turns.add('client', { run })
  add(turns, 1)
  expect(() => jest.advanceTimersByTime(10)).toThrow('a fault')
  jest.advanceTimersByTime(10)
  expect(ranAt).toHaveLength(1)
})
