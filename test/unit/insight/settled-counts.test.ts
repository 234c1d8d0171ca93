import { describe, expect, it } from '@jest/globals'
import { type Period, periodOf, type StoredCounts } from '../../../src/insight/ports.ts'
import { SettledCounts } from '../../../src/insight/settled-counts.ts'

const NOON_MS = Date.parse('2026-01-31T12:00:00.000Z')
const MINUTE_MS = 60_000
const PERIOD = periodOf('minute', NOON_MS)
const END_MS = NOON_MS + MINUTE_MS
const SETTLED_MS = END_MS + 120_000
const KEYS = ['a', '', 'é'.repeat(128), '\u{1F600}', '{a}:b c', '\u2028']
const COUNTS: StoredCounts = {
  counts: KEYS.map((key, i) => ({ key, policy: i % 2 === 0 ? '*' : key, count: 2 ** (10 * i) })),
  error: 2 ** 53,
}

function keptAt(nowMs: number, period: Period = PERIOD): SettledCounts {
  const settled = new SettledCounts()
  settled.keep('denied', period, COUNTS, nowMs)
  return settled
}

describe('the settled counts', () => {
  it('keep the counts of a measure and period as they are', () => {
    const settled = keptAt(SETTLED_MS)
    expect(settled.find('denied', PERIOD, SETTLED_MS)).toEqual(COUNTS)
    expect(settled.find('allowed', PERIOD, SETTLED_MS)).toBeUndefined()
    expect(settled.find('denied', { ...PERIOD, unit: 'hour' }, SETTLED_MS)).toBeUndefined()
    expect(settled.find('denied', { ...PERIOD, number: PERIOD.number + 1 }, SETTLED_MS)).toBeUndefined()
  })

  it('keep that there are none', () => {
    const settled = new SettledCounts()
    settled.keep('denied', PERIOD, { counts: [], error: 0 }, SETTLED_MS)
    expect(settled.find('denied', PERIOD, SETTLED_MS)).toEqual({ counts: [], error: 0 })
  })

  it('keep no period that processes may still report', () => {
    expect(keptAt(SETTLED_MS - 1).find('denied', PERIOD, SETTLED_MS)).toBeUndefined()
    const hour = periodOf('hour', NOON_MS)
    const hourSettledMs = NOON_MS + 3_600_000 + 120_000
    expect(keptAt(hourSettledMs - 1, hour).find('denied', hour, hourSettledMs)).toBeUndefined()
    expect(keptAt(hourSettledMs, hour).find('denied', hour, hourSettledMs)).toEqual(COUNTS)
  })

  it('end after ten minutes, since a process that hung may have reported late', () => {
    const settled = keptAt(SETTLED_MS)
    expect(settled.find('denied', PERIOD, SETTLED_MS + 599_999)).toEqual(COUNTS)
    expect(settled.find('denied', PERIOD, SETTLED_MS + 600_000)).toBeUndefined()
  })

  it('end when the clock is set back, since the period may not have ended', () => {
    expect(keptAt(SETTLED_MS + 1).find('denied', PERIOD, SETTLED_MS)).toBeUndefined()
  })

  it('take bounded memory, and make room when they are old', () => {
    const settled = new SettledCounts()
    const counts = Array.from({ length: 2_000 }, (_, i) => ({
      key: String(i).padStart(256, 'é'),
      policy: '*',
      count: i,
    }))
    const bytes = counts.reduce((sum, { key }) => sum + Buffer.byteLength(key), 0)
    const periods = Array.from({ length: 30 }, (_, i) => ({ ...PERIOD, number: PERIOD.number - i }))
    const keepAll = (nowMs: number) => {
      for (const period of periods) settled.keep('denied', period, { counts, error: 0 }, nowMs)
    }
    const found = (nowMs: number) =>
      periods.filter(period => settled.find('denied', period, nowMs) !== undefined).length
    for (const nowMs of [SETTLED_MS, SETTLED_MS + 600_000]) {
      keepAll(nowMs)
      expect((found(nowMs) - 1) * bytes).toBeLessThan(24_000_000)
      expect((found(nowMs) + 1) * bytes).toBeGreaterThan(24_000_000)
    }
  })
})
