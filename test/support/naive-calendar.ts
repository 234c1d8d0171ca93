import type { QuotaLimit } from '../../src/domain/limits/quota.ts'

const MINUTE = 60_000
const DAY = 86_400_000

/** Lengths in ms: exact for minutes and hours, and about those of longer periods. */
const ABOUT = { minute: MINUTE, hour: 60 * MINUTE, day: DAY, week: 7 * DAY, month: 30 * DAY, year: 365 * DAY }

/** Start and end in ms since 1970. */
export interface NaivePeriod {
  readonly start: number
  readonly end: number
}

type Calendar = Pick<QuotaLimit, 'period' | 'timeZone' | 'anchor'>

/** The periods that were found, by calendar. */
const known = new Map<string, NaivePeriod[]>()

/**
 * The period that contains a time, from docs/api.md by the offsets that Intl reports. It shares no code with the service, and no
 * library.
 */
export function naivePeriod(quota: Calendar, atMs: number): NaivePeriod {
  const { period, timeZone = 'UTC', anchor = period === 'week' ? '1970-01-05T00:00' : '1970-01-01T00:00' } = quota
  if (period === 'minute' || period === 'hour') return fixedPeriod(ABOUT[period], atMs)
  const calendar = [period, timeZone, anchor].join(' ')
  const periods = known.get(calendar) ?? []
  const again = periods.find(({ start, end }) => start <= atMs && atMs < end)
  if (again !== undefined) return again
  const boundary = (steps: number) => instantOf(localBoundary(period, anchor, steps), timeZone)
  let steps = Math.floor((atMs - Date.parse(`${anchor}Z`)) / ABOUT[period])
  while (boundary(steps) > atMs) steps--
  while (boundary(steps + 1) <= atMs) steps++
  const found = { start: boundary(steps), end: boundary(steps + 1) }
  known.set(calendar, [found, ...periods.slice(0, 30)])
  return found
}

function fixedPeriod(length: number, atMs: number): NaivePeriod {
  const start = Math.floor(atMs / length) * length
  return { start, end: start + length }
}

/** Local times are numbers as if they were in UTC. */
function localBoundary(period: Calendar['period'], anchor: string, steps: number): number {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0] = anchor.split(/\D/).map(Number)
  if (period === 'month' || period === 'year') {
    const months = month - 1 + (period === 'month' ? steps : 12 * steps)
    const lastDay = new Date(Date.UTC(year, months + 1, 0)).getUTCDate()
    return Date.UTC(year, months, Math.min(day, lastDay), hour, minute)
  }
  return Date.UTC(year, month - 1, day, hour, minute) + steps * ABOUT[period]
}

/** The first of two instants with this local time; one that does not exist is read with the offset before the change. */
function instantOf(local: number, timeZone: string): number {
  const [before, after] = [offsetAt(local - DAY, timeZone), offsetAt(local + DAY, timeZone)]
  const instants = [local - before, local - after].filter(at => at + offsetAt(at, timeZone) === local)
  return instants.length === 0 ? local - before : Math.min(...instants)
}

const formats = new Map<string, Intl.DateTimeFormat>()

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const numeric = 'numeric'
  const fields = {
    year: numeric,
    month: numeric,
    day: numeric,
    hour: numeric,
    minute: numeric,
    second: numeric,
  } as const
  return new Intl.DateTimeFormat('en-US', { timeZone, hourCycle: 'h23', era: 'short', ...fields })
}

function offsetAt(atMs: number, timeZone: string): number {
  const format = formats.get(timeZone) ?? formatOf(timeZone)
  formats.set(timeZone, format)
  const parts = Object.fromEntries(format.formatToParts(atMs).map(({ type, value }) => [type, Number(value)]))
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = parts
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(atMs / 1000) * 1000
}
