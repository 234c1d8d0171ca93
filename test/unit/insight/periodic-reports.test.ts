import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { PeriodicReports } from '../../../src/insight/periodic-reports.ts'
import { TimeoutError } from '../../../src/lib/deadline.ts'

const INTERVAL_MS = 5_000
const DELAY_MS = 300
/** 2 s before a multiple of the interval. */
const START_MS = Date.parse('2026-01-31T12:00:03.000Z')

let gathered: string | undefined
let taken: number[]
let sent: string[]
let failures: unknown[]
let answers: { resolve(): void; reject(err: Error): void }[]
let reports: PeriodicReports<string>

beforeEach(() => {
  jest.useFakeTimers({ now: START_MS })
  gathered = undefined
  taken = []
  sent = []
  failures = []
  answers = []
  reports = new PeriodicReports({
    intervalMs: INTERVAL_MS,
    delayMs: DELAY_MS,
    take: startedAtMs => {
      taken.push(startedAtMs - START_MS)
      const report = gathered
      gathered = undefined
      return report
    },
    send: report => {
      sent.push(report)
      return new Promise((resolve, reject) => answers.push({ resolve, reject }))
    },
    onSent: failure => void failures.push(failure),
    now: Date.now,
  })
  reports.start()
})
afterEach(() => {
  jest.useRealTimers()
})

describe('periodic reports', () => {
  it('are taken at multiples of the interval, each with the time since which it gathered', () => {
    jest.advanceTimersByTime(2_000)
    expect(taken).toEqual([0])
    jest.advanceTimersByTime(10_000)
    expect(taken).toEqual([0, 2_000, 7_000])
  })

  it('are sent after the delay, unless nothing has gathered', () => {
    gathered = 'first'
    jest.advanceTimersByTime(2_000 + DELAY_MS - 1)
    expect(sent).toEqual([])
    jest.advanceTimersByTime(1)
    expect(sent).toEqual(['first'])
    jest.advanceTimersByTime(20_000)
    expect(sent).toEqual(['first'])
  })

  it('are lost if the store fails, or has not taken the previous one, and never sent twice', async () => {
    gathered = 'first'
    await jest.advanceTimersByTimeAsync(2_000 + DELAY_MS)
    gathered = 'second'
    await jest.advanceTimersByTimeAsync(INTERVAL_MS)
    expect(sent).toEqual(['first'])
    expect(failures).toEqual([new TimeoutError('the store has not taken the previous report yet')])
    answers[0]?.reject(new Error('lost'))
    gathered = 'third'
    await jest.advanceTimersByTimeAsync(INTERVAL_MS)
    answers[1]?.resolve()
    await jest.advanceTimersByTimeAsync(0)
    expect(sent).toEqual(['first', 'third'])
    expect(failures.slice(1)).toEqual([new Error('lost'), undefined])
  })

  it('send what has gathered when they stop, and then nothing', async () => {
    gathered = 'taken'
    jest.advanceTimersByTime(2_000)
    gathered = 'last'
    const stopped = reports.stop()
    answers[0]?.resolve()
    await jest.advanceTimersByTimeAsync(0)
    answers[1]?.resolve()
    await stopped
    expect(sent).toEqual(['taken', 'last'])
    gathered = 'later'
    jest.advanceTimersByTime(20_000)
    expect(sent).toEqual(['taken', 'last'])
  })
})
