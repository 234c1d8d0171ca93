import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { CALENDAR_STEPS, Calendar, type CalendarStep } from '../../src/domain/limits/calendar.ts'
import { naivePeriod } from '../support/naive-calendar.ts'
import { PROPERTY_TIMEOUT_MS, runs } from '../support/property-runs.ts'

const HOUR = 3_600_000
const [FROM, TO] = [Date.UTC(1970, 0, 1), Date.UTC(2070, 0, 1)]

const timeZone = fc.constantFrom(...Intl.supportedValuesOf('timeZone'), 'UTC')
const calendar = fc.record({
  step: fc.constantFrom(...CALENDAR_STEPS),
  timeZone: fc.oneof(
    timeZone,
    fc.constantFrom('Europe/Berlin', 'Australia/Lord_Howe', 'Pacific/Chatham', 'Pacific/Apia', 'America/Boa_Vista'),
  ),
  anchor: fc.option(
    fc
      .date({ min: new Date(FROM), max: new Date(TO), noInvalidDate: true })
      .map(date => date.toISOString().slice(0, 'yyyy-mm-ddThh:mm'.length)),
    { nil: undefined },
  ),
})
/** In ms since 1970, or about the time at which a clock changed. */
const time = fc.oneof(
  fc.integer({ min: FROM, max: TO }),
  fc
    .tuple(
      fc.constantFrom(
        Date.UTC(2026, 2, 29, 1),
        Date.UTC(2025, 9, 26, 1),
        Date.UTC(2026, 3, 4, 15),
        Date.UTC(2011, 11, 30, 10),
        Date.UTC(2028, 1, 29),
        // Boa Vista had summer time for a week.
        Date.UTC(2000, 9, 8, 4),
        Date.UTC(2000, 9, 15, 3),
      ),
      fc.integer({ min: -90_000_000, max: 90_000_000 }),
    )
    .map(([at, plus]) => at + plus),
)

/** Samoa skipped 30 December 2011. */
const BEFORE_A_SKIPPED_DAY: [{ step: CalendarStep; timeZone: string; anchor: string | undefined }, number] = [
  { step: 'day', timeZone: 'Pacific/Apia', anchor: '2069-12-31T23:01' },
  Date.UTC(2011, 11, 29, 9),
]

describe('a calendar', () => {
  it(
    'has the periods that follow from the offsets of its zone',
    () => {
      fc.assert(
        fc.property(calendar, fc.array(time, { minLength: 1, maxLength: 5 }), ({ step, timeZone, anchor }, times) => {
          const periods = new Calendar(step, timeZone, anchor)
          for (const atMs of times) {
            const { startMs, endMs } = periods.periodAt(atMs)
            const naive = naivePeriod({ period: step, timeZone, ...(anchor !== undefined && { anchor }) }, atMs)
            expect({ start: startMs, end: endMs }).toEqual(naive)
          }
        }),
        runs(200, 50_000),
      )
    },
    PROPERTY_TIMEOUT_MS,
  )

  it(
    'knows consecutive boundaries, at least 25 hours beyond the period on either side',
    () => {
      fc.assert(
        fc.property(calendar, time, ({ step, timeZone, anchor }, atMs) => {
          const periods = new Calendar(step, timeZone, anchor)
          const { startMs, endMs } = periods.periodAt(atMs)
          const boundaries = periods.boundariesAround(atMs)
          expect(boundaries[0]).toBeLessThanOrEqual(startMs - 25 * HOUR)
          expect(boundaries.at(-1)).toBeGreaterThanOrEqual(endMs + 25 * HOUR)
          for (const boundary of boundaries.slice(0, -1)) {
            const next = boundaries.find(other => other > boundary)
            expect(new Calendar(step, timeZone, anchor).periodAt(boundary)).toEqual({ startMs: boundary, endMs: next })
          }
        }),
        { ...runs(100, 10_000), examples: [BEFORE_A_SKIPPED_DAY] },
      )
    },
    PROPERTY_TIMEOUT_MS,
  )
})
