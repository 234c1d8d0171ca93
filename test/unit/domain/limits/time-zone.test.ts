import { describe, expect, it } from '@jest/globals'
import { Calendar } from '../../../../src/domain/limits/calendar.ts'
import { isTimeZone, TimeZone } from '../../../../src/domain/limits/time-zone.ts'

const ABBREVIATIONS =
  'ACT AET AGT ART AST BET BST CAT CNT CST CTT EAT ECT IET IST JST MIT NET NST PLT PNT PRT PST SST VST'.split(' ')
const HOUR_MS = 3_600_000

describe('a time zone', () => {
  it.each([...Intl.supportedValuesOf('timeZone'), 'UTC', 'europe/berlin', 'US/Pacific', 'EST5EDT', 'Etc/GMT+5'])(
    'is %s, which has calendars',
    name => {
      expect(isTimeZone(name)).toBe(true)
      const atMs = Date.UTC(2026, 0, 15)
      expect(new Calendar('day', name).periodAt(atMs).startMs).toBeLessThanOrEqual(atMs)
    },
  )

  it.each([...ABBREVIATIONS, 'Mars/Base', '+01:00', '', '2026-01-01T00:00Z[Europe/Berlin]', 1, undefined])(
    'is not %p',
    name => {
      expect(isTimeZone(name)).toBe(false)
    },
  )

  it('reads a local time that is skipped with the offset before, and the first of two equal ones', () => {
    const zone = new TimeZone('Europe/Berlin')
    expect(zone.instantOf(Date.UTC(2026, 2, 29, 2, 30))).toBe(Date.UTC(2026, 2, 29, 1, 30))
    expect(zone.instantOf(Date.UTC(2026, 9, 25, 2, 30))).toBe(Date.UTC(2026, 9, 25, 0, 30))
    expect(zone.instantOf(Date.UTC(2026, 9, 25, 3, 30))).toBe(Date.UTC(2026, 9, 25, 2, 30))
  })

  it('knows the offset of every day of more years than it remembers', () => {
    const zone = new TimeZone('Europe/Berlin')
    for (let day = 0; day < 4_000; day++) {
      const noon = Date.UTC(2020, 0, day, 12)
      expect([HOUR_MS, 2 * HOUR_MS]).toContain(noon - zone.instantOf(noon))
    }
  })
})
