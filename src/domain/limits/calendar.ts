/** Calendar periods in any time zone. */
import { type TimeZone, timeZoneOf } from './time-zone.ts'

/** Calendar steps in local time. */
export const CALENDAR_STEPS = ['day', 'week', 'month', 'year'] as const
export type CalendarStep = (typeof CALENDAR_STEPS)[number]

/** Times in ms since 1970. The end belongs to the next period. */
export interface Period {
  readonly startMs: number
  readonly endMs: number
}

const DAY_MS = 86_400_000

/** More than a day, by which the clocks of two processes may differ, since a bucket may be ahead of its store's clock. */
const MARGIN_MS = 90_000_000

/** Periods begin at midnight, weeks on Monday, months and years on the 1st. */
const DEFAULT_ANCHORS: { readonly [step in CalendarStep]: string } = {
  day: '1970-01-01T00:00',
  week: '1970-01-05T00:00',
  month: '1970-01-01T00:00',
  year: '1970-01-01T00:00',
}

/** Steps of these have one length in local time, in ms; those of the others are months. */
const FIXED_STEPS = { day: DAY_MS, week: 7 * DAY_MS }
const MONTHS = { month: 1, year: 12 }

/**
 * Consecutive periods. Each begins a whole number of steps from the anchor, counted from the anchor itself: 31 January, 28 February,
 * 31 March. A local time that occurs twice means the first occurrence; one that is skipped is read with the offset before the change.
 * @see https://www.rfc-editor.org/rfc/rfc5545#section-3.3.5
 */
export class Calendar {
  readonly #step: CalendarStep
  readonly #timeZone: TimeZone
  /** In local time, as if it were in UTC. */
  readonly #anchorMs: number
  /** The period that was asked for last. */
  #known: Period = { startMs: 0, endMs: 0 }
  /** Steps from the anchor to its start. */
  #steps = 0

  /**
   * @param timeZone IANA name
   * @param anchor local date and time, such as `2026-01-15T09:00`
   */
  constructor(step: CalendarStep, timeZone: string, anchor: string = DEFAULT_ANCHORS[step]) {
    this.#step = step
    this.#timeZone = timeZoneOf(timeZone)
    this.#anchorMs = Date.parse(`${anchor}Z`)
  }

  /** The period that contains this time. Computed once for each period, which takes a few µs. */
  periodAt(atMs: number): Period {
    if (!isWithin(this.#known, atMs)) this.#find(atMs)
    return this.#known
  }

  /** Consecutive boundaries: those of the period that contains this time, 25 hours or more on either side, and one more. */
  boundariesAround(atMs: number): readonly number[] {
    const { startMs, endMs } = this.periodAt(atMs)
    const boundaries = [startMs, endMs]
    for (let steps = this.#steps - 1; startMs - (boundaries[0] ?? 0) < MARGIN_MS; steps--) {
      boundaries.unshift(this.#boundary(steps))
    }
    let after = this.#steps + 2
    while ((boundaries.at(-1) ?? 0) - endMs < MARGIN_MS) boundaries.push(this.#boundary(after++))
    // The length of the period after the present one is recorded, also if the store's clock is ahead. A day that a zone skips has none.
    let further = this.#boundary(after)
    while (further === boundaries.at(-1)) further = this.#boundary(++after)
    return [...boundaries, further]
  }

  #find(atMs: number): void {
    let steps = stepsBetween(this.#anchorMs, this.#timeZone.localNear(atMs), this.#step)
    let startMs = this.#boundary(steps)
    while (startMs > atMs) startMs = this.#boundary(--steps)
    let endMs = this.#boundary(steps + 1)
    while (endMs <= atMs) [startMs, endMs] = [endMs, this.#boundary(++steps + 1)]
    this.#steps = steps
    this.#known = { startMs, endMs }
  }

  #boundary(steps: number): number {
    return this.#timeZone.instantOf(localBoundary(this.#anchorMs, this.#step, steps))
  }
}

/** Whole steps from an anchor to another local time, or one more. */
function stepsBetween(anchorMs: number, localMs: number, step: CalendarStep): number {
  if (isFixed(step)) return Math.floor((localMs - anchorMs) / FIXED_STEPS[step])
  return Math.floor((monthOf(new Date(localMs)) - monthOf(new Date(anchorMs))) / MONTHS[step])
}

/** The local time that is this many steps after an anchor. */
function localBoundary(anchorMs: number, step: CalendarStep, steps: number): number {
  if (isFixed(step)) return anchorMs + steps * FIXED_STEPS[step]
  const boundary = new Date(anchorMs)
  const month = monthOf(boundary) + steps * MONTHS[step]
  return boundary.setUTCFullYear(0, month, Math.min(boundary.getUTCDate(), lastDayOf(month)))
}

function isFixed(step: CalendarStep): step is keyof typeof FIXED_STEPS {
  return Object.hasOwn(FIXED_STEPS, step)
}

/** Months since the year 0. */
function monthOf(local: Date): number {
  return 12 * local.getUTCFullYear() + local.getUTCMonth()
}

function lastDayOf(month: number): number {
  return new Date(new Date(0).setUTCFullYear(0, month + 1, 0)).getUTCDate()
}

export function isWithin({ startMs, endMs }: Period, atMs: number): boolean {
  return startMs <= atMs && atMs < endMs
}

const LOCAL_TIME = /^\d{4}-\d\d-(\d\d)T([01]\d|2[0-3]):[0-5]\d$/

/** Whether a value is a local date and time to the minute, such as `2026-01-15T09:00`. */
export function isLocalTime(text: unknown): boolean {
  if (typeof text !== 'string') return false
  const day = LOCAL_TIME.exec(text)?.[1]
  // JavaScript reads 30 February as 2 March.
  return day !== undefined && new Date(`${text}Z`).getUTCDate() === Number(day)
}
