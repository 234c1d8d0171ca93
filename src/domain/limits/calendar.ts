/** Calendar periods in any time zone. The zones and their changes are those of Node.js, so all processes need the same release of it. */
import { Temporal } from 'temporal-polyfill'

/** Calendar steps in local time. */
export const CALENDAR_STEPS = ['day', 'week', 'month', 'year'] as const
export type CalendarStep = (typeof CALENDAR_STEPS)[number]

/** Times in ms since 1970. The end belongs to the next period. */
export interface Period {
  readonly startMs: number
  readonly endMs: number
}

/** More than a day, by which the clocks of two processes may differ, since a bucket may be ahead of its store's clock. */
const MARGIN_MS = 90_000_000

/** Periods begin at midnight, weeks on Monday, months and years on the 1st. */
const DEFAULT_ANCHORS: { readonly [step in CalendarStep]: string } = {
  day: '1970-01-01T00:00',
  week: '1970-01-05T00:00',
  month: '1970-01-01T00:00',
  year: '1970-01-01T00:00',
}

/**
 * Consecutive periods. Each begins a whole number of steps from the anchor, counted from the anchor itself: 31 January, 28 February,
 * 31 March. A local time that occurs twice means the first occurrence; one that is skipped is read with the offset before the change.
 * @see https://www.rfc-editor.org/rfc/rfc5545#section-3.3.5
 */
export class Calendar {
  readonly #step: CalendarStep
  readonly #timeZone: string
  readonly #anchor: Temporal.PlainDateTime
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
    this.#timeZone = timeZone
    this.#anchor = Temporal.PlainDateTime.from(anchor)
  }

  /** The period that contains this time. Computed once for each period, which takes some 50 µs. */
  periodAt(atMs: number): Period {
    if (!isWithin(this.#known, atMs)) this.#find(atMs)
    return this.#known
  }

  /** Consecutive boundaries: those of the period that contains this time, and 25 hours or more on either side. */
  boundariesAround(atMs: number): readonly number[] {
    const { startMs, endMs } = this.periodAt(atMs)
    const boundaries = [startMs, endMs]
    for (let steps = this.#steps - 1; startMs - (boundaries[0] ?? 0) < MARGIN_MS; steps--) {
      boundaries.unshift(this.#boundary(steps))
    }
    for (let steps = this.#steps + 2; (boundaries.at(-1) ?? 0) - endMs < MARGIN_MS; steps++) {
      boundaries.push(this.#boundary(steps))
    }
    return boundaries
  }

  #find(atMs: number): void {
    let steps = this.#stepsTo(atMs)
    while (this.#boundary(steps) > atMs) steps--
    while (this.#boundary(steps + 1) <= atMs) steps++
    this.#steps = steps
    this.#known = { startMs: this.#boundary(steps), endMs: this.#boundary(steps + 1) }
  }

  /** Whole steps in local time, which may be one too many or too few. */
  #stepsTo(atMs: number): number {
    const local = Temporal.Instant.fromEpochMilliseconds(atMs).toZonedDateTimeISO(this.#timeZone).toPlainDateTime()
    return this.#anchor.until(local, { largestUnit: this.#step })[`${this.#step}s`]
  }

  #boundary(steps: number): number {
    const local = this.#anchor.add({ [`${this.#step}s`]: steps })
    return local.toZonedDateTime(this.#timeZone, { disambiguation: 'compatible' }).epochMilliseconds
  }
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

/** Names that were found to be known. Whoever reads a million policies asks for few zones. */
const knownZones = new Set<string>()
const MAX_KNOWN_ZONES = 2_000

/** Whether a value is the IANA name of a time zone. */
export function isTimeZone(name: unknown): boolean {
  if (typeof name !== 'string') return false
  if (knownZones.has(name)) return true
  if (!isKnownToIntl(name)) return false
  if (knownZones.size < MAX_KNOWN_ZONES) knownZones.add(name)
  return true
}

/** Offsets such as `+01:00` are no names. */
function isKnownToIntl(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}
